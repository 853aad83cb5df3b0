# SPDX-License-Identifier: Apache-2.0
"""What a published server does over TCP.   VENV/bin/python tcp_server.py VENV/bin/python [EXPERIMENT ...]"""

import socket
import sys
import time

import wire
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from peers import DEVICE, PSK, end_of, fresh_host, report, server
from wire import BYE, DATA, DATA_FRAG, ERROR, HELLO, PING, PONG, REKEY, Refused, encode


class Bench:
    def __init__(self, python):
        self.python = python
        self.peer, self.port = server(python, "tcp", "--echo")
        self.generation = next(g for g in wire.GENERATIONS if self.speaks(g))

    def speaks(self, generation):
        link = wire.Tcp.connect(self.port, fresh_host())
        try:
            wire.connect(link, PSK, DEVICE, generation)
            return True
        except Refused:
            return False
        finally:
            link.close()

    def link(self, host=None):
        return wire.Tcp.connect(self.port, host or fresh_host())

    def session(self, host=None, **options):
        link = self.link(host)
        session = wire.connect(link, PSK, DEVICE, self.generation, **options)
        self.peer.event("connected")
        self.peer.forget()
        return link, session

    def after(self, *frames, wait=2.0):
        """A fresh session gets these frames: how did the server see it end?  Frames are made by functions of the session."""
        link, session = self.session()
        self.peer.forget()
        link.send(*(make(session) for make in frames))
        seen = end_of(self.peer, wait)
        link.close()
        if seen == "lives":
            end_of(self.peer)
        return seen

    def greet(self, *args, **twist):
        """HELLO with a twist: "CHALLENGE", or what came instead."""
        try:
            wire.hello(self.link(), DEVICE, twist.pop("pair", wire.KeyPair()), self.generation, *args, **twist)
            return "CHALLENGE"
        except Refused as refusal:
            return refusal.how


def sealed(type_, plaintext=b"", **twist):
    return lambda session: session.seal(type_, plaintext, **twist)


def plain(type_, payload=b"", **twist):
    return lambda session: encode(type_, payload, version=session.generation.version, **twist)


def hello_version(b):
    """HELLO with version byte 0, 1, 2, 3"""
    return [b.greet(version=v) for v in range(4)]


def hello_crc(b):
    """HELLO and HELLO_ACK with a wrong CRC"""
    link = b.link()
    wire.connect(link, PSK, DEVICE, b.generation, ack_crc_error=1)
    return b.greet(crc_error=1), "SESSION_OK"


def hello_seq(b):
    """HELLO with seq 0xDEADBEEF, HELLO_ACK with seq 77"""
    wire.connect(b.link(), PSK, DEVICE, b.generation, ack_seq=77)
    return b.greet(seq=0xDEADBEEF), "SESSION_OK"


def hello_length(b):
    """HELLO of 37, 38, 39, 53, 54, 55 bytes"""
    pair = wire.KeyPair()
    found = []
    for extra in (-1, 0, 1, 15, 16, 17):
        link = b.link()
        link.send(encode(HELLO, (DEVICE + pair.public + bytes(17))[: 38 + extra], 0, b.generation.version))
        got = link.receive()
        found.append(got if isinstance(got, str) else "CHALLENGE")
    return found


def hello_magic_and_length(b):
    """HELLO with another magic; with length field 481"""
    return b.greet(magic=0xABCE), b.greet(length=481)


def hello_low_order(b):
    """HELLO with an all-zero public key: CHALLENGE, then"""
    pair = wire.KeyPair()
    pair.public = bytes(32)
    link = b.link()
    wire.hello(link, DEVICE, pair, b.generation)
    return link.receive()


def hello_ack_bad(b):
    """wrong PSK; the server sees"""
    b.peer.forget()
    try:
        wire.connect(b.link(), bytes(32), DEVICE, b.generation)
    except Refused as refusal:
        error = b.peer.event("error")
        return str(refusal), error["kind"], error["message"]


def unknown_device(b):
    """W14: a device that is not in the table; one that is, with a wrong PSK"""
    peer, port = server(b.python, "tcp", table={DEVICE.hex(): PSK.hex()})
    found = []
    for device in (bytes(6), DEVICE):
        try:
            wire.connect(wire.Tcp.connect(port, fresh_host()), bytes(32), device, b.generation)
        except Refused as refusal:
            found.append(str(refusal))
    peer.stop()
    return found


def lockout_for_all(b):
    """W9: five failures of one device, then another device from the same address with the right PSK"""
    host = fresh_host()
    try:
        for device in (bytes(6),) * 5 + (DEVICE,):
            try:
                wire.connect(b.link(host), PSK if device == DEVICE else bytes(32), device, b.generation)
                return "taken"
            except Refused as refusal:
                found = refusal
    except ConnectionError as error:
        found = error
    return str(found)


def silent_session(b):
    """a session in which nothing arrives ends after (s); what is sent to us before"""
    link, session = b.session()
    start = time.monotonic()
    return link.receive(100), round(time.monotonic() - start), end_of(b.peer)


def handshake_unknown_type(b):
    """type 0x0C, type ERROR instead of HELLO"""
    found = []
    for type_ in (0x0C, ERROR):
        link = b.link()
        link.send(encode(type_, bytes(3), 0, b.generation.version))
        found.append(link.receive())
    return found


def version_in_session(b):
    """sealed DATA with another version byte (authentic under it)"""
    def other(session):
        session.generation = wire.Generation(9, *list(vars(session.generation).values())[1:])
        return session.seal(DATA, b"x")
    return b.after(other)


def session_crc(b):
    """sealed DATA with a wrong CRC"""
    def spoiled(session):
        frame = bytearray(session.seal(DATA, b"x"))
        frame[10] ^= 1
        return bytes(frame)
    return b.after(spoiled)


def seq_and_tag(b):
    """seq 1 first; wrong tag; nonce field of another seq"""
    return (
        b.after(sealed(DATA, b"x", seq=1)),
        b.after(sealed(DATA, b"x", spoil=1)),
        b.after(sealed(DATA, b"x", nonce=bytes(12))),
    )


def types_in_session(b):
    """sealed 0x0C; plain ERROR; sealed ERROR; sealed HELLO; plain HELLO; sealed HELLO_RETRY"""
    kinds = (sealed(0x0C), plain(ERROR, b"\1\0\0"), sealed(ERROR, b"\1\0\0"), sealed(HELLO), plain(HELLO, bytes(38)), sealed(0x0A))
    return [b.after(kind) for kind in kinds]


def control_with_payload(b):
    """PING with 5 bytes inside; PONG unasked with 5 bytes; BYE with 5 bytes; REKEY of 31 bytes"""
    return [b.after(sealed(kind, bytes(5)), wait=0.7) for kind in (PING, PONG, BYE)] + [b.after(sealed(REKEY, bytes(31)))]


def between_fragments(b):
    """PING, PONG, BYE, REKEY between two fragments"""
    return [
        b.after(sealed(DATA_FRAG, b"a"), sealed(kind, bytes(size))) for kind, size in ((PING, 0), (PONG, 0), (BYE, 0), (REKEY, 32))
    ]


def ping_after_empty_fragment(b):
    """PING behind an empty DATA_FRAG"""
    return b.after(sealed(DATA_FRAG), sealed(PING), wait=0.7)


def fragments(b):
    """bytes of the message made by fragments: 1+1; 0+0; 4 frames of 452; and by a 4th that is still DATA_FRAG"""
    found = []
    for sizes in ((1, 1), (0, 0), (452, 452, 452, 452)):
        link, session = b.session()
        link.send(*(session.seal(DATA_FRAG, bytes(n)) for n in sizes[:-1]), session.seal(DATA, bytes(sizes[-1])))
        event = b.peer.event("message")
        found.append(len(event["hex"]) // 2 if event else None)
        link.close()
    return found, b.after(*[sealed(DATA_FRAG, b"x")] * 4)


def sizes_sent(b):
    """frames of the echo of 0, 452, 453, 1808 bytes; then its own send of 1809"""
    found = []
    link, session = b.session()
    for size in (0, 452, 453, 1808):
        parts = [bytes(size)[at : at + 452] for at in range(0, max(size, 1), 452)]
        link.send(*(session.seal(DATA_FRAG, part) for part in parts[:-1]), session.seal(DATA, parts[-1]))
        got = []
        while not got or got[-1][0] == DATA_FRAG:
            frame = link.receive()
            got.append((frame.type, len(session.open(frame))))
        found.append([size for _, size in got])
    b.peer.forget()
    b.peer.command("send", hex="00" * 1809)
    error = b.peer.event("error")
    link.send(session.seal(DATA, b"still there?"))
    return found, error["kind"], "session lives" if b.peer.event("message") else "session over"


def flood(b):
    """PONGs received before the end, for 20 PINGs at once; 20 PINGs 0.3 s apart; 8 PINGs, DATA, 8 PINGs, DATA, at once"""
    found = []
    for gap in (0, 0.3):
        link, session = b.session()
        for _ in range(20):
            try:
                link.send(session.seal(PING))
            except ConnectionError:
                break
            time.sleep(gap)
        found.append((pongs(link), end_of(b.peer)))
    link, session = b.session()
    for _ in range(2):
        link.send(*(session.seal(PING) for _ in range(8)), session.seal(DATA, b"x"))
    found.append((pongs(link), end_of(b.peer, 0.5)))
    return found


def pongs(link):
    count = 0
    while isinstance(frame := link.receive(0.7), wire.Frame):
        count += frame.type == PONG
    return count, frame


def slow_pings(b):
    """9 PINGs 1.1 s apart, no message"""
    link, session = b.session()
    for _ in range(9):
        try:
            link.send(session.seal(PING))
        except ConnectionError:
            break
        time.sleep(1.1)
    return pongs(link), end_of(b.peer, 0.5)


def bye(b):
    """what comes back after BYE"""
    link, session = b.session()
    link.send(session.seal(BYE))
    return link.receive(), end_of(b.peer)


def half_close(b):
    """DATA, then shutdown for writing: what still comes"""
    link, session = b.session()
    link.send(session.seal(DATA, b"x"))
    link.socket.shutdown(socket.SHUT_WR)
    frame = link.receive()
    return frame if isinstance(frame, str) else "the echo", link.receive(), end_of(b.peer)


def end_without_bye(b):
    """FIN without BYE; FIN in the middle of a frame; RST"""
    found = []
    for part in (0, 20):
        link, session = b.session()
        link.send(session.seal(DATA, b"x")[:part])
        link.close()
        found.append(end_of(b.peer))
    link, session = b.session()
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    link.close()
    return *found, end_of(b.peer)


def rekey(b):
    """REKEY of ours, DATA under the new key; REKEY of the server, DATA both ways"""
    link, session = b.session()
    salt = bytes(32)
    link.send(session.seal(REKEY, salt))
    session.rekey(salt, initiator=True)
    link.send(session.seal(DATA, b"x"))
    ours = session.open(link.receive())
    b.peer.command("rekey")
    frame = link.receive()
    session.rekey(session.open(frame), initiator=False)
    link.send(session.seal(DATA, b"y"))
    return ours, session.open(link.receive())


def rekey_crossed(b):
    """DATA on its way when the server rekeys; REKEY of both at once; PONG of the server on its way when we rekey"""
    link, session = b.session()
    b.peer.command("rekey")
    link.receive()
    link.send(session.seal(DATA, b"x"))
    found = [end_of(b.peer)]
    link, session = b.session()
    b.peer.command("rekey")
    link.receive()
    link.send(session.seal(REKEY, bytes(32)))
    found.append(end_of(b.peer))
    link, session = b.session()
    link.send(session.seal(PING), session.seal(REKEY, bytes(32)))
    pong = link.receive()
    readable = session.open(pong) is not None
    session.rekey(bytes(32), initiator=True)
    link.send(session.seal(DATA, b"x"))
    return *found, f"PONG readable under the old key: {readable}, session after it: {end_of(b.peer, 0.7)}"


def suites(b):
    """our first frame with ChaCha20-Poly1305, the server set to AES"""
    link, session = b.session(suite=ChaCha20Poly1305)
    link.send(session.seal(DATA, b"x"))
    return end_of(b.peer), link.receive()


def per_address(b):
    """connections from one address: the sixth, with five sessions; with five idle sockets"""
    found = []
    for open_one in (b.session, b.link):
        host = fresh_host()
        kept = [open_one(host) for _ in range(5)]
        time.sleep(0.2)
        try:
            wire.connect(b.link(host), PSK, DEVICE, b.generation)
            found.append("taken")
        except Refused as refusal:
            found.append(str(refusal))
        for one in kept:
            (one[0] if isinstance(one, tuple) else one).close()
    return found


def idle_handshakes(b):
    """ten idle sockets from ten addresses: our HELLO's CHALLENGE comes after (s)"""
    kept = [b.link() for _ in range(10)]
    time.sleep(0.3)
    start = time.monotonic()
    link = b.link()
    link.send(encode(HELLO, DEVICE + wire.KeyPair().public, 0, b.generation.version))
    got = link.receive(15)
    for one in kept:
        one.close()
    return got if isinstance(got, str) else "CHALLENGE", round(time.monotonic() - start, 1)


def silent_handshake(b):
    """a socket that says nothing; one silent after HELLO: ended after (s)"""
    found = []
    for say_hello in (False, True):
        link = b.link()
        if say_hello:
            wire.hello(link, DEVICE, wire.KeyPair(), b.generation)
        start = time.monotonic()
        found.append((link.receive(15), round(time.monotonic() - start, 1)))
    return found


def lockout(b):
    """failures with a wrong PSK until a right one is refused, and for how long (s)"""
    host = fresh_host()
    found = []
    failures = 0
    while len(found) < 3:
        try:
            wire.connect(b.link(host), bytes(32), DEVICE, b.generation)
        except Refused:
            failures += 1
        if locked(b, host):
            start = time.monotonic()
            while locked(b, host):
                time.sleep(0.1)
            found.append((failures, round(time.monotonic() - start, 1)))
    return found


def locked(b, host):
    """Tried with HELLO alone and ended by RST, in the hope that this is not counted."""
    link = b.link(host)
    link.send(encode(HELLO, DEVICE + wire.KeyPair().public, 0, b.generation.version))
    got = link.receive()
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    link.close()
    return isinstance(got, str)


def lockout_by_disconnects(b):
    """refused after n clean disconnects: before HELLO; after CHALLENGE; by RST before HELLO"""
    return [disconnects_until_locked(b, how) for how in ("fin", "after CHALLENGE", "rst")]


def disconnects_until_locked(b, how):
    host = fresh_host()
    for count in range(1, 8):
        link = b.link(host)
        if how == "after CHALLENGE":
            wire.hello(link, DEVICE, wire.KeyPair(), b.generation)
        if how == "rst":
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.close()
        time.sleep(0.1)
        try:
            probe = b.link(host)
            wire.hello(probe, DEVICE, wire.KeyPair(), b.generation)
            probe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            probe.close()
            time.sleep(0.1)
        except Refused:
            return count
    return "never"


def lockout_reset(b):
    """4 failures, a success, 4 failures, then the right PSK"""
    host = fresh_host()
    for _ in range(2):
        for _ in range(4):
            try:
                wire.connect(b.link(host), bytes(32), DEVICE, b.generation)
            except Refused:
                pass
        link, _ = b.session(host)
        link.close()
    return "taken"


def by_single_bytes(b):
    """a whole handshake and DATA in single bytes; two frames in one segment"""
    link = b.link()
    send = link.socket.sendall
    link.send = lambda *frames: [send(bytes([byte])) for byte in b"".join(frames)]
    session = wire.connect(link, PSK, DEVICE, b.generation)
    link.send(session.seal(DATA, b"x"))
    slowly = session.open(link.receive())
    link, session = b.session()
    link.send(session.seal(DATA, b"y"), session.seal(DATA, b"z"))
    return slowly, session.open(link.receive()), session.open(link.receive())


def one_key_stream(b):
    """first frame of either direction, the same message: nonces equal, ciphertexts equal"""
    link, session = b.session()
    ours = session.seal(DATA, b"the same message")
    link.send(ours)
    theirs = link.receive().payload
    return theirs[:12] == ours[12:24], theirs[12:28] == ours[24:40]


def offline_guesses(b):
    """W3: guesses of a PSK a second from one recorded handshake, one core, this interpreter"""
    start, count = time.monotonic(), 0
    while time.monotonic() - start < 1:
        wire.mac(count.to_bytes(16, "big"), bytes(4 + 32 + 6 + 64))
        count += 1
    return count


EXPERIMENTS = [
    hello_version, hello_crc, hello_seq, hello_length, hello_magic_and_length, hello_low_order, hello_ack_bad, unknown_device,
    handshake_unknown_type,
    version_in_session, session_crc, seq_and_tag, types_in_session, control_with_payload, between_fragments, ping_after_empty_fragment,
    fragments, sizes_sent, flood, slow_pings, bye, half_close, end_without_bye, rekey, rekey_crossed, suites, per_address,
    idle_handshakes, silent_handshake, lockout, lockout_by_disconnects, lockout_reset, lockout_for_all,
    by_single_bytes, one_key_stream, offline_guesses, silent_session,
]  # fmt: skip

if __name__ == "__main__":
    bench = Bench(sys.argv[1])
    print("speaks wire version", bench.generation.version, flush=True)
    report(EXPERIMENTS, bench)
    bench.peer.stop()
