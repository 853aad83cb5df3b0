# A session over TCP for programs with asyncio.
import asyncio
import os

from .client import Client
from .clock import Clock
from .frame import UsmpError

# Seconds until a peer that takes no more bytes is left alone (4.10).
_CLOSE = 5
# ms
_LEAST = 10
# In a row, before time is looked at.
_MAX_READS = 32


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
        try:
            self.client.close(self._clock.now())
            await asyncio.wait_for(self._flush(), _CLOSE)
        except asyncio.TimeoutError:
            pass
        finally:
            self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), _CLOSE)
        except (OSError, asyncio.TimeoutError):
            pass

    async def _flush(self):
        try:
            while True:
                data = self.client.poll()
                if data is None:
                    return await self._writer.drain()
                self._writer.write(data)
        except OSError:
            self.client.lost("TRANSPORT_FAILED")

    async def _run(self, done):
        client = self.client
        reads = 0
        while True:
            await self._flush()
            result = done()
            if result or result == b"":
                return result
            if client.reason:
                raise UsmpError(client.reason)
            wait = client.deadline() - self._clock.now()
            code = "TRUNCATED"
            try:
                # With a little time left what waits is read before time is judged (4.9).
                data = await asyncio.wait_for(self._reader.read(2048), max(_LEAST, wait) / 1000)
            except asyncio.TimeoutError:
                data = None
            except OSError:
                data = b""
                code = "TRANSPORT_FAILED"
            reads += 1
            if data:
                client.receive(data, self._clock.now())
            elif data == b"":
                client.lost(code)
            # Who sends without end does not stop the clock.
            if reads > _MAX_READS or (data is None and wait <= _LEAST):
                client.tick(self._clock.now())
                reads = 0


async def connect(host, port, device_id, psk, random=os.urandom):
    """Connects over TCP, and waits for the session; raises UsmpError or OSError if there is none."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        clock = Clock()
        client = Client(device_id, psk, random, clock.now())
        connection = Connection(reader, writer, client, clock)
        await connection._run(lambda: client.state() == "open")
    except:
        writer.close()
        raise
    return connection
