# The client on datagram transports (chapter 7): cookie, acknowledgements, repeats, a window of 64. One frame is under way at a time.
from hashlib import sha256

from .client import _CLOSED, _CLOSING, _HANDSHAKE, _MAX_WAITING, _OPEN, Client, Epoch
from .crypto import equal
from .frame import *

_LOST = 30000
_LOST_DATA = 600000
_LOST_PONG = 5000
_MAX_RTO = 5000
_MAX_HANDSHAKE_RTO = 1000


class Window(Epoch):
    """Keys, and the window of the numbers that came under them (4.5)."""

    def __init__(self, rx, tx):
        Epoch.__init__(self, rx, tx)
        self.highest = -1
        self.bits = 0

    def admits(self, seq):
        behind = self.highest - seq
        return behind < 0 or (behind < 64 and not self.bits >> behind & 1)

    def seen(self, seq):
        return 0 <= self.highest - seq < 64 and not self.admits(seq)

    def accept(self, seq):
        ahead = seq - self.highest
        if ahead > 0:
            self.bits = (self.bits << ahead if ahead < 64 else 0) & 2**64 - 1 | 1
            self.highest = seq
        else:
            self.bits |= 1 << -ahead


class DatagramClient(Client):
    """
    As Client, over UDP and the like: `receive` takes one datagram, `poll` gives one. Messages arrive in the order in which they come.
    """

    datagram = True
    Epoch = Window

    def __init__(self, device_id, psk, random, now):
        self._waiting = []
        self._under_way = None
        # The key for what is sent next, while the rest of a message goes under the old one.
        self._next_tx = None
        self._rto = 500
        self._srtt = None
        # Digests of handshake frames that were accepted (7.8).
        self._taken = []
        Client.__init__(self, device_id, psk, random, now)

    def receive(self, data, now):
        """Takes one datagram."""
        try:
            if data[:2] == b"\xac\xac":
                self._acknowledged(data, now)
            elif self._state != _CLOSED:
                self._frame(data, now)
        except UsmpError as error:
            self._failed(error, now)
        self._next(now)

    def busy(self):
        return len(self._waiting) >= _MAX_WAITING

    def deadline(self):
        own = Client.deadline(self)
        if own is None or not self._under_way:
            return own
        return min(own, self._repeat_at)

    def tick(self, now):
        Client.tick(self, now)
        if self._state != _CLOSED and self._under_way and now >= self._repeat_at:
            self._repeat(now)
        self._next(now)

    # Inside.

    def _failed(self, error, now):
        # Anybody can send a datagram, but only the peer a flood.
        if error.code == "FLOOD":
            self._end(error.code)
        else:
            self._drop(error.code)

    def _end(self, code):
        Client._end(self, code)
        self._under_way = self._next_tx = None
        self._waiting = []

    def _transmit(self, kind, seq, payload, now):
        """Sends a frame, and goes on sending it until it is acknowledged."""
        self._start(kind, seq, encode(kind, seq, payload), now)

    def _start(self, kind, seq, frame, now):
        self._under_way = (kind, seq, frame, self._tx if self._state != _HANDSHAKE else b"")
        self._first_at = self._last_at = now
        self._sends = 1
        self._repeat_at = now + self._rto
        self._out.append(frame)

    def _acknowledge(self, kind, seq, key=b""):
        self._out.append(acknowledgement(kind, seq, key))

    def _acknowledged(self, data, now):
        """An acknowledgement came (7.3)."""
        if not self._under_way:
            return self._drop("UTACK")
        kind, seq, _, key = self._under_way
        if not equal(data, acknowledgement(kind, seq, key)):
            return self._drop("UTACK")
        self._sample(now)
        if key:
            self._heard_at = now
        # A HELLO is answered by HELLO_RETRY, which is not repeated, so it is repeated itself until there is an answer.
        if kind != HELLO:
            self._delivered(kind)

    def _delivered(self, kind):
        self._under_way = None
        if kind == BYE:
            self._end("CLOSED")

    def _sample(self, now):
        if self._sends > 1:
            return
        # One sample a frame.
        self._sends = 2
        r = now - self._first_at
        if self._srtt is None:
            self._srtt = r
            self._rttvar = r / 2
        else:
            self._rttvar += (abs(self._srtt - r) - self._rttvar) / 4
            self._srtt += (r - self._srtt) / 8
        self._rto = min(_MAX_RTO, max(100, int(self._srtt + 4 * self._rttvar)))

    def _repeat(self, now):
        kind, _, frame, _ = self._under_way
        # Who was held up himself, and looks late, sends once more before he judges.
        if self._state != _HANDSHAKE and now - self._repeat_at < 1000:
            since = self._first_at
            if kind in (DATA, DATA_FRAG):
                if now - since >= _LOST_DATA:
                    return self._end("TRANSPORT_FAILED")
                since = max(since, self._accepted_at, self._heard_at)
            if now - since >= _LOST:
                return self._end("TRANSPORT_FAILED")
        self._rto = min(_MAX_RTO if self._state != _HANDSHAKE else _MAX_HANDSHAKE_RTO, 2 * self._rto)
        self._sends += 1
        self._repeat_at = now + self._rto
        self._out.append(frame)

    def _submit(self, pieces, now):
        if pieces[0][0] in (PING, PONG):
            if len(self._waiting) > _MAX_WAITING + 8:
                return
            # Before messages, but never between the pieces of one.
            at = 0
            while at < len(self._waiting) and self._waiting[at][2]:
                at += 1
            self._waiting.insert(at, (pieces[0][0], b"", False))
        else:
            for number, (kind, text) in enumerate(pieces):
                self._waiting.append((kind, text, number > 0))
        self._next(now)

    def _ping(self, now):
        # A PONG that has not come for so long is lost (4.8).
        if self._pings and now - self._pings[-1] >= _LOST_PONG:
            self.pings_open = 0
        Client._ping(self, now)

    def _next(self, now):
        """Seals the next frame when nothing is under way."""
        if self._waiting and not self._under_way and self._state in (_OPEN, _CLOSING):
            kind, text, goes_on = self._waiting.pop(0)
            if self._next_tx and not goes_on:
                Client._send_under(self, self._next_tx)
                self._next_tx = None
            self._seal([(kind, text)], now)

    def _send_under(self, key):
        self._next_tx = key

    def open(self, session_id, rx, tx, now):
        self._under_way = None
        self._heard_at = now
        Client.open(self, session_id, rx, tx, now)

    def _handshake(self, kind, seq, payload, frame, now):
        digest = sha256(frame).digest()[:8]
        if digest not in self._taken:
            Client._handshake(self, kind, seq, payload, frame, now)
            # HELLO_RETRY, the challenges that are kept, SESSION_OK.
            self._taken = self._taken[-3:] + [digest]
        self._acknowledge(kind, seq)

    def _sealed(self, kind, seq, payload, now):
        if kind < DATA or kind == HELLO_RETRY:
            if sha256(encode(kind, seq, payload)).digest()[:8] in self._taken:
                return self._acknowledge(kind, seq)
            raise UsmpError("UNEXPECTED_PACKET")
        if kind in (DATA, DATA_FRAG) and self.full() and not any([epoch.seen(seq) for epoch in self._epochs]):
            # It is not acknowledged, so it comes again.
            return self._drop("QUEUE_FULL")
        try:
            Client._sealed(self, kind, seq, payload, now)
        except UsmpError as error:
            if error.code != "DECRYPT_FAILED":
                raise
            # A number that was seen under these keys is acknowledged again (7.4).
            seen = [epoch for epoch in self._epochs if epoch.seen(seq)]
            for epoch in seen:
                self._acknowledge(kind, seq, epoch.rx)
            if not seen and self._admitted(seq):
                raise
            raise UsmpError("REPLAYED")

    def _admitted(self, seq):
        return any([epoch.admits(seq) for epoch in self._epochs])

    def _assemble(self, kind, seq, text, epoch):
        try:
            return Client._assemble(self, kind, seq, text, epoch)
        except UsmpError as error:
            # The half-built message goes, and a control frame is handled as usual.
            self._pieces = None
            if kind in (DATA, DATA_FRAG):
                raise
            self._drop(error.code)
            return None
