# SPDX-License-Identifier: Apache-2.0
"""USMP from its bytes upwards, plain and independent of the package, with a handle on everything an experiment twists."""

import hashlib
import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HELLO, CHALLENGE, HELLO_ACK, SESSION_OK, DATA, PING, PONG, BYE, DATA_FRAG, HELLO_RETRY, REKEY = range(1, 12)
ERROR = 0xFF
HEADER = struct.Struct("<HBBIHH")


@dataclass(frozen=True)
class Generation:
    version: int
    label: bytes
    directions: int
    mac_prefix: bool
    mac_keys: bool  # the macs cover both public keys
    random_nonce: bool


WIRE_2 = Generation(2, b"usmp-v2", 2, True, True, False)
WIRE_1 = Generation(1, b"usmp-v1", 1, False, True, False)
WIRE_1_RANDOM = Generation(1, b"usmp-v1", 1, False, False, True)
GENERATIONS = (WIRE_2, WIRE_1, WIRE_1_RANDOM)


@dataclass(frozen=True)
class Frame:
    version: int
    type: int
    seq: int
    payload: bytes
    crc_good: bool


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def encode(type_, payload=b"", seq=0, version=2, magic=0xABCD, length=None, crc_error=0):
    head = struct.pack("<HBBIH", magic, version, type_, seq, len(payload) if length is None else length)
    return head + struct.pack("<H", crc16(head + payload) ^ crc_error) + payload


def decode(data):
    magic, version, type_, seq, length, crc = HEADER.unpack_from(data)
    payload = data[12:]
    assert magic == 0xABCD and length == len(payload), data.hex()
    return Frame(version, type_, seq, payload, crc16(data[:10] + payload) == crc)


def mac(psk, *parts):
    return hmac.new(psk, b"".join(parts), hashlib.sha256).digest()


def hkdf(secret, salt, info, length=64):
    return HKDF(SHA256(), length, salt, info).derive(secret)


class KeyPair:
    def __init__(self):
        self.private = X25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()

    def shared(self, public):
        return self.private.exchange(X25519PublicKey.from_public_bytes(public))


class Transcript:
    """What both ends know after CHALLENGE."""

    def __init__(self, generation, nonce, device_id, pub_c, pub_s):
        self.generation, self.nonce, self.device_id = generation, nonce, device_id
        self.publics = pub_c + pub_s

    def mac(self, psk, type_, subject):
        g = self.generation
        prefix = bytes([0xCD, 0xAB, g.version, type_]) if g.mac_prefix else b""
        return mac(psk, prefix, self.nonce, subject, self.publics if g.mac_keys else b"")

    def keys(self, shared):
        """Client to server, server to client."""
        material = hkdf(shared, self.nonce, self.generation.label + self.publics, 32 * self.generation.directions)
        return material[:32], material[-32:]


class Session:
    def __init__(self, generation, session_id, tx, rx, suite=AESGCM):
        self.generation, self.session_id, self.tx, self.rx, self.suite = generation, session_id, tx, rx, suite
        self.tx_seq = 0

    def nonce(self, seq):
        return os.urandom(12) if self.generation.random_nonce else struct.pack("<I", seq) + self.session_id[:8]

    def seal(self, type_, plaintext=b"", seq=None, nonce=None, spoil=0):
        if seq is None:
            seq, self.tx_seq = self.tx_seq, self.tx_seq + 1
        nonce = nonce or self.nonce(seq)
        head = struct.pack("<HBBIH", 0xABCD, self.generation.version, type_, seq, len(plaintext) + 28)
        sealed = bytearray(nonce + self.suite(self.tx).encrypt(nonce, plaintext, head))
        sealed[-1] ^= spoil
        return encode(type_, bytes(sealed), seq, self.generation.version)

    def open(self, frame):
        head = struct.pack("<HBBIH", 0xABCD, frame.version, frame.type, frame.seq, len(frame.payload))
        try:
            return self.suite(self.rx).decrypt(frame.payload[:12], frame.payload[12:], head)
        except InvalidTag:
            return None

    def rekey(self, salt, initiator):
        secret = self.tx + self.rx if initiator else self.rx + self.tx
        new = hkdf(secret, salt, b"usmp-rekey" + self.session_id)
        self.tx, self.rx = (new[:32], new[32:]) if initiator else (new[32:], new[:32])
        self.tx_seq = 0


class Tcp:
    """One TCP connection. receive() gives a frame, or the word for what happened instead."""

    datagrams = False
    acknowledge = False

    def __init__(self, sock):
        self.socket = sock

    @classmethod
    def connect(cls, port, source="127.0.0.1"):
        return cls(socket.create_connection(("127.0.0.1", port), 5, (source, 0)))

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def receive(self, timeout=2.0):
        self.socket.settimeout(timeout)
        try:
            head = self._exactly(12)
            return decode(head + self._exactly(HEADER.unpack(head)[4]))
        except TimeoutError:
            return "silence"
        except EOFError:
            return "end"
        except ConnectionError:
            return "reset"

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def close(self):
        self.socket.close()


class Udp:
    """One UDP address pair. receive() gives a frame, the bytes of an acknowledgement, or "silence"."""

    datagrams = True

    def __init__(self, sock):
        self.socket = sock
        self.session = None
        self.acknowledge = True

    @classmethod
    def connect(cls, port, source="127.0.0.1"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        return cls(sock)

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def receive(self, timeout=2.0):
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(2048)
        except TimeoutError:
            return "silence"
        except ConnectionError:
            return "refused"
        if data[:2] == b"\xac\xac":
            return data
        frame = decode(data)
        if self.acknowledge:
            self.socket.send(self.utack(frame))
        return frame

    def receive_frame(self, timeout=2.0):
        """The next frame, acknowledgements passed over."""
        end = time.monotonic() + timeout
        while not isinstance(got := self.receive(max(0.01, end - time.monotonic())), (Frame, str)):
            pass
        return got

    def receive_utack(self, type_, seq, timeout=1.0):
        """The acknowledgement of (type, seq) in bytes, or None."""
        wanted = utack(type_, seq)
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if isinstance(got, bytes) and got[:7] == wanted:
                return got
        return None

    def utack(self, frame):
        mac_key = self.session.rx if self.session and frame.type >= DATA else None
        return utack(frame.type, frame.seq, mac_key if self.session and self.session.generation.version == 2 else None)

    def close(self):
        self.socket.close()


def utack(type_, seq, key=None):
    head = b"\xac\xac" + bytes([type_]) + struct.pack("<I", seq)
    return head + (mac(key, head)[:8] if key else b"")


def next_frame(link, timeout=2.0):
    return link.receive_frame(timeout) if link.datagrams else link.receive(timeout)


class Refused(Exception):
    """The peer did not go on with the handshake. `step` is the message that never came, `how` what came instead."""

    def __init__(self, step, how):
        super().__init__(f"no {step}: {how}")
        self.step, self.how = step, how


def expect(link, type_, step, timeout=2.0):
    frame = next_frame(link, timeout)
    if not isinstance(frame, Frame) or frame.type != type_:
        raise Refused(step, frame if isinstance(frame, str) else f"type {frame.type:#04x}")
    return frame


def hello(link, device_id, pair, generation=WIRE_2, seq=0, extra=b"", **twist):
    """Sends HELLO and returns CHALLENGE; on UDP by way of the cookie where there is one."""
    version = twist.pop("version", generation.version)
    link.send(encode(HELLO, device_id + pair.public + extra, seq, version, **twist))
    if not link.datagrams:
        return expect(link, CHALLENGE, "CHALLENGE")
    frame = next_frame(link)
    if isinstance(frame, Frame) and frame.type == HELLO_RETRY:
        link.send(encode(HELLO, device_id + pair.public + frame.payload, 1, version))
        frame = next_frame(link)
    if not isinstance(frame, Frame) or frame.type != CHALLENGE:
        raise Refused("CHALLENGE", frame)
    return frame


def connect(link, psk, device_id, generation=WIRE_2, suite=AESGCM, ack_seq=2, ack_crc_error=0, take_ok=True):
    """The client's handshake. `take_ok` False leaves the first SESSION_OK, on UDP, unacknowledged."""
    pair = KeyPair()
    challenge = hello(link, device_id, pair, generation)
    nonce, pub_s = challenge.payload[:32], challenge.payload[32:]
    transcript = Transcript(generation, nonce, device_id, pair.public, pub_s)
    k_c2s, k_s2c = transcript.keys(pair.shared(pub_s))
    mac_c = transcript.mac(psk, HELLO_ACK, device_id)
    link.send(encode(HELLO_ACK, mac_c, ack_seq, generation.version, crc_error=ack_crc_error))
    link.acknowledge = take_ok
    ok = expect(link, SESSION_OK, "SESSION_OK")
    session_id = ok.payload[:16]
    assert ok.payload[16:] == transcript.mac(psk, SESSION_OK, session_id)
    link.session = Session(generation, session_id, k_c2s, k_s2c, suite)
    return link.session


def accept(link, psk, generation=WIRE_2, session_id=None, hello_frame=None, spoil_mac=0, version=None):
    """The server's handshake, without a cookie."""
    version = version or generation.version
    frame = hello_frame or expect(link, HELLO, "HELLO", 10)
    device_id, pub_c = frame.payload[:6], frame.payload[6:38]
    pair, nonce = KeyPair(), os.urandom(32)
    link.send(encode(CHALLENGE, nonce + pair.public, 0, version))
    transcript = Transcript(generation, nonce, device_id, pub_c, pair.public)
    k_c2s, k_s2c = transcript.keys(pair.shared(pub_c))
    ack = expect(link, HELLO_ACK, "HELLO_ACK")
    assert ack.payload == transcript.mac(psk, HELLO_ACK, device_id)
    session_id = session_id or os.urandom(16)
    mac_s = bytearray(transcript.mac(psk, SESSION_OK, session_id))
    mac_s[0] ^= spoil_mac
    link.session = Session(generation, session_id, k_s2c, k_c2s)
    link.send(encode(SESSION_OK, session_id + mac_s, 0, version))
    return link.session
