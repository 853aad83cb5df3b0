# A session over a socket, for programs that wait: TCP, or UDP with datagram=True.
import os
import select
import socket

from .clock import Clock
from .frame import UsmpError


class Connection:
    """A session of a device with its server. Raises UsmpError with the reason of the end, CLOSED after a BYE."""

    def __init__(self, host, port, device_id, psk, datagram=False, random=os.urandom):
        """Connects, and waits for the session: HANDSHAKE_TIMEOUT, HANDSHAKE_REFUSED, AUTH_FAILED if there is none; OSError of the socket."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, 0, socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
        )[0]
        self._socket = socket.socket(family, kind, protocol)
        self._poll = select.poll()
        self._clock = Clock()
        try:
            self._socket.connect(address)
            self._poll.register(self._socket, select.POLLIN)
            if datagram:
                from .datagram import DatagramClient as Client
            else:
                from .client import Client
            self.client = Client(device_id, psk, random, self._clock.now())
            self._run(None, lambda: self.client.state() != "handshake")
            self._check()
        except:
            self._socket.close()
            raise

    def send(self, message):
        """Sends up to 1808 bytes; waits while too much is on its way."""
        self._run(None, lambda: not self.client.busy())
        self._check()
        self.client.send(message, self._clock.now())
        self._flush()

    def receive(self, timeout=None):
        """The next message; None if none came within so many ms."""
        message = self._run(timeout, self.client.message)
        if message is None:
            self._check()
        return message

    def ping(self, timeout=5000):
        """The round trip in ms; None if no PONG came in time. Messages that come meanwhile wait for `receive`."""
        begun = self._clock.now()
        self.client.ping(begun)
        if self._run(timeout, lambda: not self.client.pings_open):
            return self._clock.now() - begun
        return self._check()

    def close(self):
        """Says BYE, and waits until it has left."""
        self.client.close(self._clock.now())
        self._run(None, lambda: False)
        self._socket.close()

    def _check(self):
        if self.client.reason:
            raise UsmpError(self.client.reason)

    def _flush(self):
        while True:
            data = self.client.poll()
            if data is None:
                return
            while data:
                data = data[self._socket.send(data) :]

    def _run(self, timeout, done):
        """Carries bytes until `done()` says something, the time is over, or the session is."""
        clock, client = self._clock, self.client
        until = None if timeout is None else clock.now() + timeout
        while True:
            self._flush()
            result = done()
            if result or result == b"" or client.state() == "closed":
                return result
            now = clock.now()
            if until is not None and now >= until:
                return None
            times = [at for at in (client.deadline(), until) if at is not None]
            readable = not client.full() and self._poll.poll(max(0, min(times) - now))
            now = clock.now()
            if readable:
                try:
                    data = self._socket.recv(2048)
                except OSError:
                    data = b""
                if data:
                    client.receive(data, now)
                elif not client.datagram:
                    client.lost()
            else:
                client.tick(now)
