# A session over TCP for programs with asyncio.
import asyncio
import os

from .client import Client
from .clock import Clock
from .frame import UsmpError


class Connection:
    """As Connection of sockets.py; made by `connect`."""

    def __init__(self, reader, writer, client, clock):
        self.client = client
        self._reader, self._writer, self._clock = reader, writer, clock

    async def send(self, message):
        """Sends up to 1808 bytes."""
        self.client.send(message, self._clock.now())
        await self._flush()

    async def receive(self):
        """The next message."""
        return await self._run(self.client.message)

    async def close(self):
        """Says BYE."""
        self.client.close(self._clock.now())
        await self._flush()
        self._writer.close()
        await self._writer.wait_closed()

    async def _flush(self):
        while True:
            data = self.client.poll()
            if data is None:
                return await self._writer.drain()
            self._writer.write(data)

    async def _run(self, done):
        client = self.client
        while True:
            await self._flush()
            result = done()
            if result or result == b"":
                return result
            if client.reason:
                raise UsmpError(client.reason)
            wait = max(0, client.deadline() - self._clock.now()) / 1000
            try:
                data = await asyncio.wait_for(self._reader.read(2048), wait)
            except asyncio.TimeoutError:
                client.tick(self._clock.now())
                continue
            except OSError:
                data = b""
            if data:
                client.receive(data, self._clock.now())
            else:
                client.lost()


async def connect(host, port, device_id, psk, random=os.urandom):
    """Connects over TCP, and waits for the session; raises UsmpError or OSError if there is none."""
    reader, writer = await asyncio.open_connection(host, port)
    clock = Clock()
    client = Client(device_id, psk, random, clock.now())
    connection = Connection(reader, writer, client, clock)
    try:
        await connection._run(lambda: client.state() == "open")
    except:
        writer.close()
        raise
    return connection
