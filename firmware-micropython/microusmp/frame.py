# Frames (chapter 1), serial packets (6.4), acknowledgements (7.3).
from .crypto import hmac

HELLO, CHALLENGE, HELLO_ACK, SESSION_OK = 1, 2, 3, 4
DATA, PING, PONG, BYE, DATA_FRAG, HELLO_RETRY, REKEY, ERROR = 5, 6, 7, 8, 9, 10, 11, 0xFF

MAX_PAYLOAD = 480
_MAGIC = b"\xcd\xab"


class UsmpError(Exception):
    """Something went wrong; `code` is one of docs/errors.md, such as AUTH_FAILED."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def crc16(data):
    """CRC-16/MODBUS (1.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def header(kind, seq, length):
    """The first 10 bytes of a frame, which are the associated data too (4.1)."""
    return _MAGIC + bytes((2, kind)) + seq.to_bytes(4, "little") + length.to_bytes(2, "little")


def encode(kind, seq, payload):
    """One frame, 12 to 492 bytes."""
    if not 0 < kind < 256 or len(payload) > MAX_PAYLOAD:
        raise UsmpError("INVALID_ARGUMENT")
    head = header(kind, seq, len(payload))
    return head + crc16(head + payload).to_bytes(2, "little") + payload


def _whole(data):
    """The length of the frame at the start of the data; None while too little of it is there (1.3)."""
    n = len(data)
    if n >= 2 and data[:2] != _MAGIC:
        raise UsmpError("BAD_MAGIC")
    if n >= 3 and data[2] != 2:
        raise UsmpError("BAD_VERSION")
    if n >= 4 and data[3] == 0:
        raise UsmpError("BAD_TYPE")
    if n < 10:
        return None
    length = data[8] | data[9] << 8
    if length > MAX_PAYLOAD:
        raise UsmpError("BAD_LENGTH")
    return 12 + length if n >= 12 + length else None


def decode(data):
    """Type, number and payload of exactly one frame (1.4)."""
    size = _whole(data)
    if size is None:
        raise UsmpError("INCOMPLETE")
    if len(data) > size:
        raise UsmpError("TRAILING_BYTES")
    if crc16(data[:10] + data[12:]) != data[10] | data[11] << 8:
        raise UsmpError("BAD_CRC")
    return data[3], int.from_bytes(data[4:8], "little"), bytes(data[12:])


class StreamFraming:
    """Frames of a byte stream (1.5). Holds one frame and what came behind it in the same chunk."""

    def __init__(self):
        self._data = b""
        self._fault = None

    def feed(self, chunk):
        """The frames that are whole now, then None; raises UsmpError, again and again, where the stream broke."""
        if self._fault:
            raise self._fault
        self._data += chunk
        try:
            while True:
                size = _whole(self._data)
                if size is None:
                    return
                frame = self._data[:size]
                self._data = self._data[size:]
                decode(frame)
                yield frame
        except UsmpError as error:
            self._fault = error
            raise

    def write(self, frame):
        return frame


class SerialFraming:
    """Frames of a serial line: COBS between zeros (6.4). What is none is dropped and counted."""

    def __init__(self):
        self._data = b""
        self.dropped = 0

    def feed(self, chunk):
        """The frames that are whole now."""
        parts = chunk.split(b"\0")
        for part in parts[:-1]:
            packet = self._data + part
            self._data = b""
            if packet:
                try:
                    yield unpack(packet)
                except UsmpError:
                    self.dropped += 1
        # One byte more than the longest packet is enough to know that it is too long.
        self._data = (self._data + parts[-1])[:495]

    def write(self, frame):
        return b"\0" + cobs_encode(frame) + b"\0"


def unpack(packet):
    """The frame of a serial packet, what stood between two zeros."""
    if len(packet) > 494:
        raise UsmpError("BAD_COBS")
    frame = cobs_decode(packet)
    decode(frame)
    return frame


def cobs_encode(data):
    """The bytes without a zero."""
    out = b""
    groups = data.split(b"\0")
    for number, group in enumerate(groups):
        while len(group) > 253:
            out += b"\xff" + group[:254]
            group = group[254:]
            # A full group implies no zero, so at the very end nothing has to follow.
            if not group and number == len(groups) - 1:
                return out
        out += bytes((len(group) + 1,)) + group
    return out


def cobs_decode(data):
    out = b""
    at = 0
    while at < len(data):
        code = data[at]
        group = data[at + 1 : at + code]
        if code == 0 or len(group) < code - 1 or b"\0" in group:
            raise UsmpError("BAD_COBS")
        out += group
        at += code
        if code < 255 and at < len(data):
            out += b"\0"
    return out


def acknowledgement(kind, seq, key):
    """What acknowledges a frame on datagram transports: 7 bytes, or 15 where it was sealed under `key`."""
    head = b"\xac\xac" + bytes((kind,)) + seq.to_bytes(4, "little")
    if kind < DATA or kind == HELLO_RETRY:
        return head
    return head + hmac(key, head)[:8]
