# A client of wire version 2 on ordered transports: bytes in, bytes out. It reads no clock and owns no socket.
from .crypto import equal, hkdf, hmac, open_sealed, seal, x25519
from .frame import *

MAX_MESSAGE = 1808
_MAX_PIECE = 452
# Messages that the application has not taken, and frames that have not left.
_MAX_WAITING = 16

_STEP = 5000
_KEEPALIVE = 20000
_IDLE = 60000
_CLOSE = 5000
# Points of the flood budget are counted in milliseconds (4.8).
_BUDGET = 64000
_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = 0, 1, 2, 3


class Epoch:
    """Keys of one direction each, and what has come under them (5.4)."""

    def __init__(self, rx, tx):
        self.rx = rx
        self.tx = tx
        self.next = 0

    def admits(self, seq):
        # On ordered transports the order of 4.3 judges the number after the tag.
        return True

    def accept(self, seq):
        if seq != self.next:
            raise UsmpError("SEQ_MISMATCH")
        self.next += 1


class Client:
    """
    One connection, from HELLO to its end. All times are milliseconds of any clock that never steps.

    Hand in what came by `receive`, and call `tick` at `deadline()`; after each of them, and after `send`, `ping` and `close`, write what
    `poll` gives. `state()` tells "handshake", "open" or "closed", `reason` why it is closed (docs/errors.md).
    """

    datagram = False
    Epoch = Epoch

    def __init__(self, device_id, psk, random, now, framing=None):
        """
        device_id: 6 bytes. psk: 16 bytes or more. random: a function like os.urandom. framing: StreamFraming() where left out, or
        SerialFraming() of serial.py.
        """
        if len(device_id) != 6 or len(psk) < 16:
            raise UsmpError("INVALID_ARGUMENT" if len(device_id) != 6 else "WEAK_PSK")
        self.reason = None
        # Codes of what was ignored, with how often.
        self.dropped = {}
        # The code of an ERROR frame in the handshake; anybody can send it (2.4).
        self.hint = None
        self.session_id = None
        self._id = device_id
        self._psk = psk
        self._framing = framing or StreamFraming()
        self._serial = self._framing.serial
        self._random = random
        self._out = []
        self._messages = []
        self._pieces = None
        self._state = _HANDSHAKE
        self._challenges = []
        self._retried = False
        self._tx = None
        self._begin(now)

    # What an application calls.

    def state(self):
        return ("handshake", "open", "open", "closed")[self._state]

    def receive(self, data, now):
        """Takes a chunk of bytes, any length."""
        if self._state == _CLOSED:
            return
        try:
            for frame in self._framing.feed(data):
                self._frame(frame, now)
                if self._state == _CLOSED:
                    return
        except UsmpError as error:
            self._end(error.code)

    def poll(self):
        """The next bytes to write; None: nothing."""
        return self._out.pop(0) if self._out else None

    def message(self):
        """The next message that came; None: none yet."""
        return self._messages.pop(0) if self._messages else None

    def busy(self):
        """Whether `send` would refuse a message, as too much waits to leave."""
        return len(self._out) >= _MAX_WAITING

    def full(self):
        """Whether messages wait that must be taken before more is handed in."""
        return len(self._messages) >= _MAX_WAITING

    def send(self, message, now):
        """Sends a message of 0 to 1808 bytes; raises UsmpError and sends nothing of it, if that cannot be."""
        self._check_open()
        if len(message) > MAX_MESSAGE:
            raise UsmpError("MESSAGE_TOO_LARGE")
        # A copy: the caller may use a buffer again. A text is refused before a number is used up.
        message = bytes(message)
        kinds = []
        while len(message) > _MAX_PIECE:
            kinds.append((DATA_FRAG, message[:_MAX_PIECE]))
            message = message[_MAX_PIECE:]
        kinds.append((DATA, message))
        if self.busy():
            raise UsmpError("QUEUE_FULL")
        self._submit(kinds, now)

    def ping(self, now):
        """Sends a PING, at most 4 in a second."""
        self._check_open()
        if len(self._pings) > 3 and now - self._pings[-4] < 1000:
            raise UsmpError("QUEUE_FULL")
        self._ping(now)

    def close(self, now):
        """Sends BYE behind what was sent before. The connection is closed when that has left."""
        if self._state == _HANDSHAKE:
            return self._end("ABORTED")
        if self._state == _OPEN:
            self._state = _CLOSING
            self._deadline = now + _CLOSE
            self._submit([(BYE, b"")], now)

    def lost(self, code="TRUNCATED"):
        """The transport has ended; TRANSPORT_FAILED: by a fault."""
        self._end("HANDSHAKE_REFUSED" if self._state == _HANDSHAKE else code)

    def deadline(self):
        """When `tick` is to be called; None: never."""
        if self._state == _CLOSED:
            return None
        if self._state == _OPEN:
            keepalive = self._keepalive_at()
            return keepalive if self.full() else min(self._accepted_at + _IDLE, keepalive)
        return self._deadline

    def tick(self, now):
        """Time has passed. Hand in first what waits in the transport (4.9)."""
        if self._state == _HANDSHAKE and now >= self._deadline:
            self._end("HANDSHAKE_TIMEOUT")
        elif self._state == _CLOSING and now >= self._deadline:
            self._end("CLOSED")
        elif self._state == _OPEN:
            # While messages wait to be taken nothing is read, so nothing is missed.
            if now - self._accepted_at >= _IDLE and not self.full():
                self._end("IDLE_TIMEOUT")
            elif now >= self._keepalive_at():
                self._ping(now)

    # Inside.

    def _begin(self, now):
        self._private = self._random(32)
        self._public = x25519(self._private)
        self._deadline = now + _STEP
        self._transmit(HELLO, 0, self._id + self._public, now)

    def _check_open(self):
        if self._state != _OPEN:
            raise UsmpError(self.reason or "CLOSED")

    def _end(self, code):
        if self._state == _CLOSED:
            return
        self._state = _CLOSED
        self.reason = code
        self._pieces = None
        self._private = self._psk = self._tx = None
        self._challenges = self._epochs = []

    def _drop(self, code):
        self.dropped[code] = self.dropped.get(code, 0) + 1

    def _transmit(self, kind, seq, payload, now):
        self._out.append(self._framing.write(encode(kind, seq, payload)))

    def _frame(self, frame, now):
        kind, seq, payload = decode(frame)
        if kind == ERROR:
            if self._state == _HANDSHAKE and len(payload) == 3:
                self.hint = payload[0]
            else:
                self._drop("ERROR")
            return
        try:
            if self._state == _HANDSHAKE:
                self._handshake(kind, seq, payload, frame, now)
            else:
                self._sealed(kind, seq, payload, now)
        except UsmpError as error:
            self._failed(error, now)

    def _failed(self, error, now):
        """What a frame costs that is wrong: on a serial line nothing, before it was authentic."""
        if self._serial and (self._state == _HANDSHAKE or not self._authentic):
            return self._drop(error.code)
        if self._serial and self._state == _OPEN:
            self._seal([(BYE, b"")], now)
        self._end(error.code)

    def _expect(self, payload, size):
        if len(payload) != size:
            raise UsmpError("BAD_PAYLOAD")

    def _handshake(self, kind, seq, payload, frame, now):
        several = self.datagram or self._serial
        if kind == HELLO_RETRY and not self._challenges and not self._retried:
            self._expect(payload, 16)
            self._retried = True
            self._deadline = now + _STEP
            self._transmit(HELLO, 1, self._id + self._public + payload, now)
        elif kind == CHALLENGE and (several or not self._challenges):
            self._expect(payload, 64)
            self._challenge(payload[:32], payload[32:], now)
        elif kind == SESSION_OK and self._challenges:
            self._expect(payload, 48)
            self._session_ok(payload[:16], payload[16:], now)
        else:
            raise UsmpError("UNEXPECTED_PACKET")

    def _challenge(self, nonce, peer, now):
        shared = x25519(self._private, peer)
        if equal(shared, bytes(32)):
            raise UsmpError("LOW_ORDER_POINT")
        keys = hkdf(shared, nonce, b"usmp-v2" + self._public + peer)
        if not self._challenges:
            self._deadline = now + _STEP
        # Of two, one may be forged (3.9).
        self._challenges = self._challenges[-1:] + [(nonce, peer, keys)]
        text = b"\xcd\xab\x02\x03" + nonce + self._id + self._public + peer
        self._transmit(HELLO_ACK, 2, hmac(self._psk, text), now)

    def _session_ok(self, session_id, mac, now):
        for nonce, peer, keys in self._challenges:
            text = b"\xcd\xab\x02\x04" + nonce + session_id + self._public + peer
            if equal(hmac(self._psk, text), mac):
                break
        else:
            raise UsmpError("AUTH_FAILED")
        self._private = self._psk = None
        self._challenges = []
        self.open(session_id, keys[32:], keys[:32], now)

    def open(self, session_id, rx, tx, now):
        """Begins the session with its keys; of use outside for tests alone."""
        self._state = _OPEN
        self.session_id = session_id
        self._epochs = [self.Epoch(rx, tx)]
        self._tx = tx
        self._tx_seq = 0
        self._opened = False
        self._authentic = False
        self._accepted_at = self._sent_at = now
        self._pings = []
        # PINGs that no PONG has answered yet.
        self.pings_open = 0
        self._pongs = []
        self._budget = _BUDGET
        self._budget_at = now

    def _nonce(self, seq):
        return seq.to_bytes(4, "little") + self.session_id[:8]

    def _submit(self, pieces, now):
        """Sends frames that belong together. On an ordered transport they leave at once."""
        self._seal(pieces, now)
        if pieces[0][0] == BYE:
            self._end("CLOSED")

    def _seal(self, pieces, now):
        if self._tx_seq + len(pieces) > 0xFFFFFFFF:
            self._end("SEQ_EXHAUSTED")
            raise UsmpError("SEQ_EXHAUSTED")
        for kind, text in pieces:
            seq = self._tx_seq
            # It is used up, whatever becomes of the frame.
            self._tx_seq += 1
            nonce = self._nonce(seq)
            payload = nonce + seal(self._tx, nonce, header(kind, seq, len(text) + 28), text)
            self._transmit(kind, seq, payload, now)
        self._sent_at = now

    def _sealed(self, kind, seq, payload, now):
        self._authentic = False
        if not DATA <= kind <= DATA_FRAG and kind != REKEY:
            raise UsmpError("UNEXPECTED_PACKET")
        epoch, text = self._open(kind, seq, payload)
        self._authentic = self._opened = True
        if seq == 0xFFFFFFFF:
            raise UsmpError("SEQ_EXHAUSTED")
        epoch.accept(seq)
        # The peer sends nothing more under older keys.
        while self._epochs[0] is not epoch:
            self._epochs.pop(0)
        self._accepted_at = now
        self._acknowledge(kind, seq, epoch.rx)
        self._accepted(kind, seq, text, epoch, now)

    def _acknowledge(self, kind, seq, key):
        pass

    def _open(self, kind, seq, payload):
        """The epoch under which a frame opens, and what is inside."""
        if len(payload) < 28:
            raise UsmpError("BAD_PAYLOAD")
        nonce = self._nonce(seq)
        if payload[:12] != nonce:
            raise UsmpError("BAD_NONCE")
        for epoch in self._epochs:
            if epoch.admits(seq):
                text = open_sealed(epoch.rx, nonce, header(kind, seq, len(payload)), payload[12:])
                if text is not None:
                    return epoch, text
        raise UsmpError("DECRYPT_FAILED" if self._opened or self.datagram else "SUITE_MISMATCH")

    def _accepted(self, kind, seq, text, epoch, now):
        if kind == REKEY:
            self._expect(text, 32)
        elif kind in (PING, PONG, BYE):
            self._expect(text, 0)
        message = self._assemble(kind, seq, text, epoch)
        if message is not None:
            self._messages.append(message)
        elif kind == PING:
            self._charge(125, now)
            if len(self._pongs) < 8 or now - self._pongs[0] >= 1000:
                self._pongs = self._pongs[-7:] + [now]
                self._submit([(PONG, b"")], now)
        elif kind == PONG:
            if self.pings_open:
                self.pings_open -= 1
            else:
                self._charge(125, now)
        elif kind == REKEY:
            self._charge(1000, now)
            self._rekey(text, epoch)
        elif kind == BYE:
            self._end("CLOSED")

    def _assemble(self, kind, seq, text, epoch):
        """The message that this frame completes."""
        pieces = self._pieces
        if kind not in (DATA, DATA_FRAG):
            if pieces:
                raise UsmpError("BAD_FRAGMENT")
            return None
        if not pieces:
            pieces = []
        elif pieces[-1][0] + 1 != seq or pieces[-1][1] is not epoch:
            raise UsmpError("BAD_FRAGMENT")
        if kind == DATA_FRAG:
            if len(pieces) == 3:
                raise UsmpError("BAD_FRAGMENT")
            self._pieces = pieces + [(seq, epoch, text)]
            return None
        self._pieces = None
        return b"".join([piece[2] for piece in pieces] + [text])

    def _charge(self, cost, now):
        self._budget = min(_BUDGET, self._budget + now - self._budget_at)
        self._budget_at = now
        if self._budget < cost:
            raise UsmpError("FLOOD")
        self._budget -= cost

    def _rekey(self, salt, epoch):
        """The peer's REKEY (5.3)."""
        if epoch is not self._epochs[-1]:
            raise UsmpError("UNEXPECTED_PACKET")
        keys = hkdf(epoch.rx + epoch.tx, salt, b"usmp-rekey" + self.session_id)
        self._epochs.append(self.Epoch(keys[:32], keys[32:]))
        self._send_under(keys[32:])

    def _send_under(self, key):
        self._tx = key
        self._tx_seq = 0

    def _keepalive_at(self):
        last = self._pings[-1] if self._pings else -_KEEPALIVE
        return max(last, min(self._sent_at, self._accepted_at)) + _KEEPALIVE

    def _ping(self, now):
        self._pings = self._pings[-3:] + [now]
        self.pings_open = min(8, self.pings_open + 1)
        self._submit([(PING, b"")], now)
