# SPDX-License-Identifier: Apache-2.0
"""What a published server does over UDP (1.0.0 on).   VENV/bin/python udp_server.py VENV/bin/python [EXPERIMENT ...]"""

import sys
import time

import wire
from peers import DEVICE, PSK, end_of, fresh_host, report, server
from wire import BYE, DATA, DATA_FRAG, HELLO, HELLO_ACK, HELLO_RETRY, PING, PONG, REKEY, Refused, encode


class Bench:
    def __init__(self, python):
        self.peer, self.port = server(python, "udp")
        self.echo, self.echo_port = server(python, "udp", "--echo")

    def link(self, host=None, port=None):
        return wire.Udp.connect(port or self.port, host or fresh_host())

    def session(self, host=None, port=None):
        link = self.link(host, port)
        session = wire.connect(link, PSK, DEVICE)
        peer = self.echo if port == self.echo_port else self.peer
        peer.event("connected")
        peer.forget()
        return link, session

    def messages(self, wait=0.7):
        """The messages the server's application got since, in order."""
        found = []
        while event := self.peer.event("message", timeout=wait):
            found.append(bytes.fromhex(event["hex"]))
        return found


def good(ack, session, type_, seq):
    """What an acknowledgement is worth: None, "plain", "good" or "wrong key"."""
    if ack is None:
        return None
    if len(ack) == 7:
        return "plain"
    return "good" if ack == wire.utack(type_, seq, session.tx) else "wrong key"


def cookie_for(link, pair, seq=0):
    link.send(encode(HELLO, DEVICE + pair.public, seq))
    return wire.expect(link, HELLO_RETRY, "HELLO_RETRY").payload


def answers(link, frame, wait=0.6):
    """Everything that comes back for a datagram, as names."""
    link.send(frame)
    found = []
    while (got := link.receive(wait)) != "silence":
        if isinstance(got, bytes):
            found.append(f"UTACK({got[2]},{int.from_bytes(got[3:7], 'little')},{len(got)} bytes)")
        else:
            found.append(f"type {got.type} seq {got.seq}, {len(got.payload)} bytes")
    return found


def first_hello(b):
    """answers to a 38 byte HELLO seq 0; seq 9; bad CRC; bad magic; version 7; 39 bytes"""
    hello = DEVICE + wire.KeyPair().public
    twists = ({}, {"seq": 9}, {"crc_error": 1}, {"magic": 0x1111}, {"version": 7})
    found = [answers(b.link(), encode(HELLO, hello, **twist)) for twist in twists]
    return found + [answers(b.link(), encode(HELLO, hello + b"x"))]


def cookie(b):
    """the cookie with another key pair; a second time at once; from another port; one bit off; with a bad CRC"""
    link, pair = b.link(), wire.KeyPair()
    token = cookie_for(link, pair)
    host = link.socket.getsockname()[0]
    with_cookie = lambda token, **twist: encode(HELLO, DEVICE + wire.KeyPair().public + token, 1, **twist)
    return (
        answers(link, with_cookie(token)),
        answers(link, with_cookie(token)),
        answers(b.link(host), with_cookie(token)),
        answers(link, with_cookie(bytes([token[0] ^ 1]) + token[1:])),
        answers(fresh := b.link(), with_cookie(cookie_for(fresh, pair), crc_error=1)),
    )


def cookie_rate(b):
    """of 20 HELLOs at once from one address, answered"""
    link = b.link()
    link.send(*[encode(HELLO, DEVICE + wire.KeyPair().public)] * 20)
    count = 0
    while (got := link.receive(0.5)) != "silence":
        count += isinstance(got, wire.Frame)
    return count


def handshake_acks(b):
    """acknowledgements of HELLO with cookie, HELLO_ACK (wrong mac), and what follows a wrong mac"""
    link, pair = b.link(), wire.KeyPair()
    token = cookie_for(link, pair)
    found = answers(link, encode(HELLO, DEVICE + pair.public + token, 1))
    return found, answers(link, encode(HELLO_ACK, bytes(32), 2))


def session_ok_lost(b):
    """SESSION_OK is not acknowledged: it comes again after (s); a DATA sent before that is acknowledged; the application hears of it"""
    link = b.link()
    session = wire.connect(link, PSK, DEVICE, take_ok=False)
    start = time.monotonic()
    link.send(session.seal(DATA, b"early"))
    ack = link.receive_utack(DATA, 0, 0.4)
    times = []
    while link.receive_frame(6) != "silence":
        times.append(round(time.monotonic() - start, 1))
    return times, good(ack, session, DATA, 0), b.messages()


def data(b):
    """acknowledgement of DATA seq 0; again (copy); messages"""
    link, session = b.session()
    frame = session.seal(DATA, b"x")
    link.send(frame)
    first = link.receive_utack(DATA, 0)
    link.send(frame)
    return good(first, session, DATA, 0), good(link.receive_utack(DATA, 0), session, DATA, 0), b.messages()


def junk_acknowledged(b):
    """W6: junk as DATA seq 0 without any key; then the true frame: message"""
    link, session = b.session()
    link.send(encode(DATA, bytes(40), 0))
    ack = good(link.receive_utack(DATA, 0), session, DATA, 0)
    link.send(session.seal(DATA, b"true"))
    return ack, b.messages()


def junk_last_seq(b):
    """W7: junk with seq 0xFFFFFFFF; then DATA: message.  Authentic DATA with seq 0xFFFFFFFF: end"""
    link, session = b.session()
    link.send(encode(DATA, bytes(40), 0xFFFFFFFF), session.seal(DATA, b"lives"))
    found = b.messages()
    link.send(session.seal(DATA, b"x", seq=0xFFFFFFFF))
    return found, end_of(b.peer)


def malformed(b):
    """acknowledgements of: one byte behind the frame; bad CRC; version 9; type 0x0C; plain ERROR; two frames in one; then DATA"""
    link, session = b.session()
    frame = lambda seq: session.seal(DATA, b"x", seq=seq)
    spoiled = bytearray(frame(1))
    spoiled[10] ^= 1
    cases = (
        (frame(0) + b"!", DATA, 0),
        (bytes(spoiled), DATA, 1),
        (encode(DATA, bytes(30), 2, version=9), DATA, 2),
        (encode(0x0C, bytes(30), 3), 0x0C, 3),
        (encode(0xFF, b"\1\0\0", 4), 0xFF, 4),
        (frame(5) + frame(6), DATA, 5),
    )
    acks = []
    for datagram, type_, seq in cases:
        link.send(datagram)
        acks.append(good(link.receive_utack(type_, seq, 0.4), session, type_, seq))
    link.send(frame(7))
    return acks, b.messages()


def window(b):
    """messages for seq 100, 37 (63 below), 36 (64 below), 37 again, 1000000; acknowledgements of all"""
    link, session = b.session()
    acks = []
    for seq in (100, 37, 36, 37, 1_000_000):
        link.send(session.seal(DATA, str(seq).encode(), seq=seq))
        acks.append(good(link.receive_utack(DATA, seq, 0.4), session, DATA, seq))
    return b.messages(), acks


def several_under_way(b):
    """8 messages at once, last first: order of arrival at the application"""
    link, session = b.session()
    link.send(*(session.seal(DATA, bytes([48 + seq]), seq=seq) for seq in range(7, -1, -1)))
    return b"".join(b.messages())


def fragment_gap(b):
    """frames 0 FRAG a, 2 DATA c, 3 DATA d: messages; 0 FRAG a, 1 PING, 2 DATA c: messages, PONG; last fragment before first"""
    link, session = b.session()
    link.send(session.seal(DATA_FRAG, b"a", seq=0), session.seal(DATA, b"c", seq=2), session.seal(DATA, b"d", seq=3))
    found = [b.messages()]
    link, session = b.session()
    link.send(session.seal(DATA_FRAG, b"a"), session.seal(PING), session.seal(DATA, b"c"))
    got = link.receive_frame(0.5)
    found.append((b.messages(), got if isinstance(got, str) else f"type {got.type}"))
    link, session = b.session()
    link.send(session.seal(DATA, b"b", seq=1), session.seal(DATA_FRAG, b"a", seq=0), session.seal(DATA, b"c", seq=2))
    return *found, b.messages()


def late_fragments(b):
    """three complete fragments with 0.5 s between them"""
    link, session = b.session()
    for type_ in (DATA_FRAG, DATA_FRAG, DATA):
        link.send(session.seal(type_, b"x"))
        time.sleep(0.5)
    return b.messages()


def flood(b):
    """9 PINGs at once: PONGs, end; then our next DATA is acknowledged"""
    link, session = b.session()
    for _ in range(9):
        link.send(session.seal(PING))
    count = 0
    while isinstance(got := link.receive_frame(0.7), wire.Frame):
        count += got.type == PONG
    link.send(session.seal(DATA, b"x"))
    return count, end_of(b.peer), good(link.receive_utack(DATA, 9, 0.5), session, DATA, 9)


def bye(b):
    """BYE: acknowledged, end; DATA after it: acknowledged"""
    link, session = b.session()
    link.send(session.seal(BYE))
    ack = good(link.receive_utack(BYE, 0), session, BYE, 0)
    ended = end_of(b.peer)
    link.send(session.seal(DATA, b"x"))
    return ack, ended, link.receive_utack(DATA, 1, 0.5)


def stop_and_wait(b):
    """the server sends two messages, nothing acknowledged: frames seen at (s), and the command's outcome"""
    link, session = b.session()
    link.acknowledge = False
    b.peer.command("send", hex="01")
    b.peer.command("send", hex="02")
    start, seen = time.monotonic(), []
    while isinstance(got := link.receive_frame(9), wire.Frame):
        seen.append((got.seq, round(time.monotonic() - start, 1)))
    outcomes = []
    while len(outcomes) < 2 and (event := b.peer.event("done", "error")):
        if "cmd" in event:
            outcomes.append(event.get("kind", "done"))
    return seen, outcomes


def utack_forms(b):
    """the server's DATA acknowledged with 7 plain bytes; a wrong mac; the right one with bytes behind; it is satisfied"""
    found = []
    for forge in (
        lambda session, frame: wire.utack(frame.type, frame.seq),
        lambda session, frame: wire.utack(frame.type, frame.seq, session.tx),
        lambda session, frame: wire.utack(frame.type, frame.seq, session.rx) + b"behind",
    ):
        link, session = b.session()
        link.acknowledge = False
        b.peer.command("send", hex="01")
        link.send(forge(session, link.receive_frame()))
        found.append((b.peer.event("done", timeout=0.4) or {}).get("event", "not"))
        link.acknowledge = True
        link.receive_frame()
        b.peer.event("done", timeout=1)
        link.send(session.seal(BYE))
        end_of(b.peer)
    return found


def read_ahead(b):
    """an application that waits for its echo to be acknowledged: of 12 frames of 492 bytes acknowledged; later delivered (echoes)"""
    link, session = b.session(port=b.echo_port)
    link.acknowledge = False
    link.send(session.seal(DATA, b"first"))
    link.receive_frame()
    frames = [session.seal(DATA, bytes(452)) for _ in range(12)]
    link.send(*frames)
    acked, end = set(), time.monotonic() + 0.4
    while time.monotonic() < end:
        got = link.receive(0.1)
        if isinstance(got, bytes):
            acked.add(int.from_bytes(got[3:7], "little"))
    link.acknowledge = True
    seqs = set()
    while isinstance(got := link.receive_frame(1.5), wire.Frame):
        seqs.add(got.seq)
    return len(acked - {0}), len(seqs - {0})


def rekey(b):
    """REKEY of ours: acknowledgement; its copy (the first one lost): acknowledgement; DATA after it"""
    link, session = b.session()
    frame = session.seal(REKEY, bytes(32))
    link.send(frame)
    first = good(link.receive_utack(REKEY, 0), session, REKEY, 0)
    time.sleep(0.2)
    link.send(frame)
    second = good(link.receive_utack(REKEY, 0), session, REKEY, 0)
    session.rekey(bytes(32), initiator=True)
    link.send(session.seal(DATA, b"new"))
    return first, f"{second} (old key asked)", b.messages()


def rekey_after_many(b):
    """REKEY after n frames, then DATA seq 0, 1 and n + 1: acknowledged, messages.  n = 60, 64, 65, 200"""
    found = []
    for count in (60, 64, 65, 200):
        link, session = b.session()
        for _ in range(count):
            link.send(session.seal(DATA, b"."))
            link.receive_utack(DATA, session.tx_seq - 1)
        link.send(session.seal(REKEY, bytes(32)))
        link.receive_utack(REKEY, count)
        session.rekey(bytes(32), initiator=True)
        b.messages(0.3)
        acks = []
        for seq in (0, 1, count + 1):
            link.send(session.seal(DATA, str(seq).encode(), seq=seq))
            acks.append(good(link.receive_utack(DATA, seq, 0.5), session, DATA, seq))
        found.append((count, acks, b.messages(0.3)))
    return found


def rekey_by_server(b):
    """the server rekeys, DATA both ways; it rekeys and its acknowledgement is lost once"""
    link, session = b.session()
    b.peer.command("rekey")
    salt = session.open(link.receive_frame())
    session.rekey(salt, initiator=False)
    time.sleep(0.1)
    link.send(session.seal(DATA, b"new"))
    found = [b.messages()]
    link, session = b.session()
    b.peer.forget()
    link.acknowledge = False
    b.peer.command("rekey")
    link.receive_frame()
    again = link.receive_frame()
    link.send(link.utack(again))
    return *found, (b.peer.event("done", "error") or {}).get("event")


def new_handshake_beside(b):
    """new handshake from the same address and port: old session's end; DATA of the old session between CHALLENGE and HELLO_ACK"""
    link, old = b.session()
    b.peer.forget()
    link.session = None
    wire.connect(link, PSK, DEVICE)
    found = [end_of(b.peer)]
    link, old = b.session()
    b.peer.forget()
    link.session = None
    pair = wire.KeyPair()
    wire.hello(link, DEVICE, pair)
    link.send(old.seal(DATA, b"old"))
    ack = link.receive_utack(DATA, 0, 0.5)
    error = b.peer.event("error", timeout=1) or {}
    return *found, "plain" if ack and len(ack) == 7 else ack, error.get("message")


def other_port(b):
    """W13: DATA of a session from another port of the same host"""
    link, session = b.session()
    other = b.link(link.socket.getsockname()[0])
    other.send(session.seal(DATA, b"x"))
    return other.receive(0.7), b.messages()


def per_address(b):
    """sixth session from one address: handshake; its DATA is acknowledged.  Fourth handshake under way from one address"""
    host = fresh_host()
    kept = [b.session(host) for _ in range(5)]
    link = b.link(host)
    try:
        session = wire.connect(link, PSK, DEVICE)
        link.send(session.seal(DATA, b"x"))
        sixth = "SESSION_OK", link.receive_utack(DATA, 0, 0.7), b.peer.event("connected", timeout=0.5)
    except Refused as refusal:
        sixth = str(refusal)
    host = fresh_host()
    started = []
    for _ in range(4):
        try:
            wire.hello(b.link(host), DEVICE, wire.KeyPair())
            started.append("CHALLENGE")
        except Refused as refusal:
            started.append(str(refusal))
    del kept
    return sixth, started


def stray_in_handshake(b):
    """W10 at the server: junk DATA from the client's address between CHALLENGE and HELLO_ACK"""
    link, pair = b.link(), wire.KeyPair()
    wire.hello(link, DEVICE, pair)
    b.peer.forget()
    link.send(encode(DATA, bytes(30), 0))
    error = b.peer.event("error", timeout=1) or {}
    return error.get("message")


def nonce_twice(b):
    """a send and a PONG at the same time: (type, seq) of both, nonces equal"""
    link, session = b.session()
    link.acknowledge = False
    b.peer.command("send", hex="01")
    first = link.receive_frame()
    link.send(session.seal(PING))
    second = first
    while isinstance(second, wire.Frame) and second.type == first.type:
        second = link.receive_frame(1)
    link.acknowledge = True
    link.receive_frame()
    if isinstance(second, str):
        return second
    return (first.type, first.seq), (second.type, second.seq), first.payload[:12] == second.payload[:12]


EXPERIMENTS = [
    first_hello, cookie, cookie_rate, handshake_acks, session_ok_lost, data, junk_acknowledged, junk_last_seq, malformed, window,
    several_under_way, fragment_gap, late_fragments, flood, bye, utack_forms, read_ahead, rekey, rekey_after_many, rekey_by_server,
    new_handshake_beside, other_port, per_address, stray_in_handshake, nonce_twice, stop_and_wait,
]  # fmt: skip

if __name__ == "__main__":
    bench = Bench(sys.argv[1])
    report(EXPERIMENTS, bench)
    bench.peer.stop()
    bench.echo.stop()
