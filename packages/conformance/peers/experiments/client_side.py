# SPDX-License-Identifier: Apache-2.0
"""What a published client does.   VENV/bin/python client_side.py VENV/bin/python [EXPERIMENT ...]"""

import socket
import sys
import time

import wire
from peers import PSK, client, end_of, report
from wire import CHALLENGE, DATA, ERROR, HELLO, HELLO_ACK, HELLO_RETRY, PING, PONG, encode


class Bench:
    def __init__(self, python):
        self.python = python

    def tcp(self):
        """A client that has sent its HELLO over TCP: the peer, our end of the link, the HELLO."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        peer = client(self.python, "tcp", listener.getsockname()[1])
        link = wire.Tcp(listener.accept()[0])
        listener.close()
        return peer, link, wire.expect(link, HELLO, "HELLO", 10)

    def udp(self, take_hello=True):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        peer = client(self.python, "udp", sock.getsockname()[1])
        data, address = sock.recvfrom(2048)
        sock.connect(address)
        link, frame = wire.Udp(sock), wire.decode(data)
        if take_hello:
            link.send(link.utack(frame))
        return peer, link, frame

    def session(self, kind="tcp", **options):
        peer, link, frame = getattr(self, kind)()
        session = wire.accept(link, PSK, hello_frame=frame, **options)
        return peer, link, session


def outcome(peer, timeout=3):
    """How connecting ended."""
    event = peer.event("connected", "error", timeout=timeout)
    if event is None:
        return "waits"
    return "connected" if event["event"] == "connected" else f"{event['kind']} ({event['message']})"


def frames_of_handshake(b):
    """(type, seq, bytes) of HELLO, HELLO_ACK over TCP; over UDP with a cookie: HELLO, HELLO, HELLO_ACK"""
    peer, link, first = b.tcp()
    link.send(encode(CHALLENGE, bytes(32) + wire.KeyPair().public))
    found = [[(f.type, f.seq, len(f.payload)) for f in (first, wire.next_frame(link))]]
    peer.stop()
    peer, link, first = b.udp()
    link.send(encode(HELLO_RETRY, b"c" * 16))
    second = wire.next_frame(link)
    while second.payload == first.payload:
        second = wire.next_frame(link)
    link.send(encode(CHALLENGE, bytes(32) + wire.KeyPair().public))
    third = wire.next_frame(link)
    found.append([(f.type, f.seq, len(f.payload)) for f in (first, second, third)])
    peer.stop()
    return found


def cookie_over_tcp(b):
    """HELLO_RETRY over TCP: the next HELLO; a second HELLO_RETRY"""
    peer, link, _ = b.tcp()
    link.send(encode(HELLO_RETRY, b"c" * 16))
    again = wire.next_frame(link)
    link.send(encode(HELLO_RETRY, b"c" * 16))
    found = (again.type, again.seq, len(again.payload)), outcome(peer)
    peer.stop()
    return found


def cookie_over_udp(b):
    """UTACK of HELLO without HELLO_RETRY: HELLOs in the next 3 s; HELLO_RETRY twice: outcome; HELLO_RETRY without UTACK: outcome"""
    peer, link, first = b.udp()
    found = [[frame.seq for frame in iter(lambda: link.receive_frame(3), "silence")]]
    peer.stop()
    peer, link, first = b.udp()
    link.send(encode(HELLO_RETRY, b"c" * 16), encode(HELLO_RETRY, b"d" * 16))
    wire.accept(link, PSK, hello_frame=wire.expect(link, HELLO, "HELLO with cookie"))
    found.append(outcome(peer))
    peer.stop()
    peer, link, first = b.udp(take_hello=False)
    link.acknowledge = False
    link.send(encode(HELLO_RETRY, b"c" * 16))
    found.append(outcome(peer, 20))
    peer.stop()
    return found


def odd_answers(b):
    """instead of CHALLENGE over TCP: ERROR; type 0x0C; version 1; low-order key; 65 bytes; CRC wrong; seq 99"""
    key = bytes(32) + wire.KeyPair().public
    cases = (
        encode(ERROR, b"\2\0\0"),
        encode(0x0C),
        encode(CHALLENGE, key, version=1),
        encode(CHALLENGE, bytes(64)),
        encode(CHALLENGE, key + b"x"),
        encode(CHALLENGE, key, crc_error=1),
        encode(CHALLENGE, key, 99),
    )
    found = []
    for case in cases:
        peer, link, _ = b.tcp()
        link.send(case)
        got = wire.next_frame(link, 1)
        found.append("goes on" if isinstance(got, wire.Frame) and got.type == HELLO_ACK else outcome(peer))
        peer.stop()
    return found


def odd_datagrams(b):
    """W10, over UDP instead of CHALLENGE: junk DATA; CHALLENGE of 10 bytes; type 0x0C; noise; then a good handshake: outcome"""
    cases = (encode(DATA, bytes(30)), encode(CHALLENGE, bytes(10)), encode(0x0C), b"noise" * 9)
    found = []
    for case in cases:
        peer, link, first = b.udp()
        link.send(case)
        try:
            wire.accept(link, PSK, hello_frame=first)
        except wire.Refused:
            pass
        found.append(outcome(peer))
        peer.stop()
    return found


def forged_challenge(b):
    """over UDP a well-formed CHALLENGE of a stranger comes first: outcome of the true handshake"""
    peer, link, first = b.udp()
    link.send(encode(CHALLENGE, bytes(32) + wire.KeyPair().public))
    try:
        wire.accept(link, PSK, hello_frame=first)
        found = outcome(peer)
    except (AssertionError, wire.Refused) as refusal:
        found = f"HELLO_ACK answers the stranger ({type(refusal).__name__}); {outcome(peer, 12)}"
    peer.stop()
    return found


def session_ok_bad(b):
    """SESSION_OK with a wrong mac: over TCP; over UDP"""
    found = []
    for kind in ("tcp", "udp"):
        peer, link, frame = getattr(b, kind)()
        wire.accept(link, PSK, hello_frame=frame, spoil_mac=1)
        found.append(outcome(peer))
        peer.stop()
    return found


def session_id_of_any_form(b):
    """session id whose last 8 bytes are zero; text; DATA both ways"""
    found = []
    for tail in (bytes(8), b"any text"):
        peer, link, session = b.session(session_id=bytes(range(8)) + tail)
        peer.event("connected")
        link.send(session.seal(DATA, b"x"))
        message = peer.event("message")
        peer.command("send", hex="79")
        found.append((message and message["hex"], session.open(wire.next_frame(link))))
        peer.stop()
    return found


def silence(b):
    """no answer to HELLO: gives up after (s), TCP; UDP: HELLOs seen, gives up after (s)"""
    start = time.monotonic()
    peer, link, _ = b.tcp()
    found = [outcome(peer, 20), round(time.monotonic() - start, 1)]
    peer.stop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    peer = client(b.python, "udp", sock.getsockname()[1])
    start = time.monotonic()
    found.append((outcome(peer, 20), round(time.monotonic() - start, 1)))
    sock.settimeout(0.1)
    seen = 0
    try:
        while sock.recv(2048):
            seen += 1
    except TimeoutError:
        found.append(seen)
    peer.stop()
    return found


def keepalive(b):
    """frames of an idle client within 35 s"""
    peer, link, session = b.session()
    found = wire.next_frame(link, 35)
    peer.stop()
    return found


def own_pings(b):
    """it sends 9 PINGs within a second and gets 9 PONGs"""
    peer, link, session = b.session()
    peer.event("connected")
    for _ in range(9):
        peer.command("ping")
        wire.next_frame(link)
        link.send(session.seal(PONG))
    found = end_of(peer)
    peer.stop()
    return found


def end_without_bye(b):
    """W20: FIN without BYE; BYE"""
    peer, link, session = b.session()
    peer.event("connected")
    link.close()
    found = [end_of(peer)]
    peer.stop()
    peer, link, session = b.session()
    peer.event("connected")
    link.send(session.seal(wire.BYE))
    return *found, end_of(peer), wire.next_frame(link)


def both_send_at_once(b):
    """W12, UDP: both ends send a message at the same moment; what happens to them"""
    peer, link, session = b.session("udp")
    peer.event("connected")
    peer.command("send", hex="61")
    link.send(session.seal(DATA, b"b"))
    seen = set()
    while (got := link.receive(0.5)) != "silence":
        seen.add(got[2] if isinstance(got, bytes) else f"frame {got.type}")
    message = peer.event("message")
    peer.stop()
    return f"UTACK of DATA: {DATA in seen}, its frame: {f'frame {DATA}' in seen}, message: {message is not None}"


def retransmission(b):
    """after the client's DATA has been acknowledged 10 times at once: repeats of the next one at (s)"""
    peer, link, session = b.session("udp")
    peer.event("connected")
    for _ in range(10):
        peer.command("send", hex="61")
        link.receive_frame()
    link.acknowledge = False
    peer.command("send", hex="62")
    link.receive_frame()
    start, times = time.monotonic(), []
    while isinstance(link.receive_frame(4), wire.Frame):
        times.append(round(time.monotonic() - start, 2))
    peer.stop()
    return times


def ping_during_send(b):
    """UDP: our PING while the client waits for an acknowledgement: PONG comes before that"""
    peer, link, session = b.session("udp")
    peer.event("connected")
    link.acknowledge = False
    peer.command("send", hex="61")
    link.receive_frame()
    link.send(session.seal(PING))
    got = link.receive_frame(0.4)
    peer.stop()
    return "PONG" if isinstance(got, wire.Frame) and got.type == PONG else got if isinstance(got, str) else f"type {got.type}"


EXPERIMENTS = [
    frames_of_handshake, cookie_over_tcp, cookie_over_udp, odd_answers, odd_datagrams, forged_challenge, session_ok_bad, session_id_of_any_form,
    silence, keepalive, own_pings, end_without_bye, both_send_at_once, retransmission, ping_during_send,
]  # fmt: skip

if __name__ == "__main__":
    report(EXPERIMENTS, Bench(sys.argv[1]))
