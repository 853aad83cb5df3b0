# A session over a socket, for programs that wait: TCP, or UDP with datagram=True.
import os
import select
import socket
import time

from .clock import Clock
from .frame import UsmpError

# ms until a peer that takes no more bytes is lost.
_MAX_WRITE = 60000
# In a row, before time is looked at.
_MAX_READS = 32


class Connection:
    """A session of a device with its server. Raises UsmpError with the reason of the end, CLOSED after a BYE."""

    def __init__(self, host, port, device_id, psk, datagram=False, random=os.urandom):
        """Connects, and waits for the session: HANDSHAKE_TIMEOUT, HANDSHAKE_REFUSED, AUTH_FAILED if there is none; OSError of the socket."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, 0, socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
        )[0]
        self._socket = socket.socket(family, kind, protocol)
        self._poll = select.poll()
        self._writable = select.poll()
        self._clock = Clock()
        try:
            self._socket.connect(address)
            self._poll.register(self._socket, select.POLLIN)
            self._writable.register(self._socket, select.POLLOUT)
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
        # What has come is looked at too, so that who only sends answers PINGs as well.
        self._run(0, lambda: None)
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
        try:
            self.client.close(self._clock.now())
            self._run(None, lambda: False)
        finally:
            self._socket.close()

    def _check(self):
        if self.client.reason:
            raise UsmpError(self.client.reason)

    def _flush(self):
        while True:
            data = self.client.poll()
            if data is None:
                return
            try:
                while data:
                    if not self._writable.poll(_MAX_WRITE):
                        return self.client.lost("TRANSPORT_FAILED")
                    data = data[self._socket.send(data) :]
            except OSError:
                # A datagram is sent again, and what the network reports of one can be forged (7.1).
                if not self.client.datagram:
                    return self.client.lost("TRANSPORT_FAILED")

    def _run(self, timeout, done):
        """Carries bytes until `done()` says something, the time is over, or the session is."""
        clock, client = self._clock, self.client
        until = None if timeout is None else clock.now() + timeout
        reads = 0
        while True:
            self._flush()
            result = done()
            if result or result == b"" or client.state() == "closed":
                return result
            times = [at for at in (client.deadline(), until) if at is not None]
            readable = self._wait(max(0, min(times) - clock.now()))
            now = clock.now()
            if readable:
                self._read(now)
                reads += 1
            # What waits is read before time is judged (4.9), but who sends without end does not stop the clock.
            if not readable or reads > _MAX_READS:
                client.tick(now)
                reads = 0
                if until is not None and now >= until:
                    self._flush()
                    return done()

    def _wait(self, ms):
        """Whether something can be read within so many ms. A stream is not read while messages wait; datagrams are, as they bring acknowledgements."""
        if self.client.datagram or not self.client.full():
            return self._poll.poll(ms)
        time.sleep(ms / 1000)
        return False

    def _read(self, now):
        code = "TRUNCATED"
        try:
            data = self._socket.recv(2048)
        except OSError:
            data = b""
            code = "TRANSPORT_FAILED"
        if data:
            self.client.receive(data, now)
        elif not self.client.datagram:
            self.client.lost(code)
