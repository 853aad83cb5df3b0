# Frames (chapter 1), acknowledgements (7.3).
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

    serial = False

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


def acknowledgement(kind, seq, key):
    """What acknowledges a frame on datagram transports: 7 bytes, or 15 where it was sealed under `key`."""
    head = b"\xac\xac" + bytes((kind,)) + seq.to_bytes(4, "little")
    if kind < DATA or kind == HELLO_RETRY:
        return head
    return head + hmac(key, head)[:8]
