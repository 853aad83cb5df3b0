# Serial lines (6.4): Client(…, framing=SerialFraming()).
from .frame import UsmpError, decode


class SerialFraming:
    """Frames of a serial line: COBS between zeros (6.4). What is none is dropped and counted."""

    serial = True

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
