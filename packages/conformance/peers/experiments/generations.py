# SPDX-License-Identifier: Apache-2.0
"""What each installed release puts on the wire, read from its bytes.   generations.py FOLDER-OF-VENVS"""

import socket
import sys
import time
from pathlib import Path

import wire
from peers import DEVICE, PSK, client, server


def listening_socket():
    sock = socket.create_server(("127.0.0.1", 0))
    sock.settimeout(10)
    return sock, sock.getsockname()[1]


def client_over_tcp(python):
    """Plays the server, finds the generation whose mac the client sends, and looks at what is sealed."""
    listener, port = listening_socket()
    peer = client(python, "tcp", port)
    link = wire.Tcp(listener.accept()[0])
    first = wire.next_frame(link)
    found = {"version": first.version, "HELLO seq": first.seq}
    pair, nonce = wire.KeyPair(), bytes(range(32))
    link.send(wire.encode(wire.CHALLENGE, nonce + pair.public, 0, first.version))
    ack = wire.expect(link, wire.HELLO_ACK, "HELLO_ACK")
    found["HELLO_ACK seq"] = ack.seq
    for generation in wire.GENERATIONS:
        transcript = wire.Transcript(generation, nonce, DEVICE, first.payload[6:38], pair.public)
        if ack.payload == transcript.mac(PSK, wire.HELLO_ACK, DEVICE):
            break
    found |= {"mac prefix": generation.mac_prefix, "mac over keys": generation.mac_keys}
    session_id = bytes(range(16))
    link.send(wire.encode(wire.SESSION_OK, session_id + transcript.mac(PSK, wire.SESSION_OK, session_id), 0, first.version))
    found["16 byte session id"] = peer.event("connected", "error")["event"] == "connected"
    peer.command("send", hex="00")
    data = wire.next_frame(link)
    for label, directions in ((b"usmp-v2", 2), (b"usmp-v1", 1)):
        keys = wire.hkdf(pair.shared(first.payload[6:38]), nonce, label + transcript.publics, 32 * directions)
        if wire.Session(generation, session_id, b"", keys[:32]).open(data) == b"\0":
            found |= {"label": label.decode(), "directions": directions}
    expected = data.seq.to_bytes(4, "little") + session_id[:8]
    found["nonce"] = "seq, session id" if data.payload[:12] == expected else "random"
    peer.command("send", hex="00" * 600)
    found["fragments"] = getattr(wire.next_frame(link, 1), "type", None) == wire.DATA_FRAG
    peer.command("rekey")
    found["rekey"] = "done" in [event["event"] for event in outcomes(peer) if event["cmd"] == "rekey"]
    peer.stop()
    link.close()
    listener.close()
    return found, generation


def outcomes(peer):
    while event := peer.event("done", "error", timeout=1):
        yield event


def server_over_udp(python, generation):
    peer, port = server(python, "udp")
    try:
        link = wire.Udp.connect(port)
        link.send(wire.encode(wire.HELLO, DEVICE + wire.KeyPair().public, 0, generation.version))
        found = {"UDP cookie": wire.next_frame(link).type == wire.HELLO_RETRY}
        link = wire.Udp.connect(port)
        link.acknowledge = False
        challenge_times(link, generation, found)
        link = wire.Udp.connect(port)
        session = wire.connect(link, PSK, DEVICE, generation)
        link.send(session.seal(wire.DATA, b"x"))
        ack = link.receive_utack(wire.DATA, 0)
        found["UTACK of DATA"] = f"{len(ack)} bytes" if ack else "none"
        link.send(session.seal(wire.DATA, b"y", seq=3), session.seal(wire.DATA, b"z", seq=2))
        found["takes a later seq first"] = [peer.event("message", timeout=1) is not None for _ in range(3)][2]
        return found
    finally:
        peer.stop()


def challenge_times(link, generation, found):
    pair = wire.KeyPair()
    wire.hello(link, DEVICE, pair, generation)
    start = time.monotonic()
    times = []
    while (frame := link.receive_frame(6)) != "silence":
        times.append(f"{time.monotonic() - start:.1f}")
    found["CHALLENGE again after"] = " ".join(times)


def main():
    for home in sorted(Path(sys.argv[1]).iterdir()):
        python = home / "bin" / "python"
        if python.exists():
            found, generation = client_over_tcp(python)
            if home.name >= "0.5":
                found |= server_over_udp(python, generation)
            print(home.name, *(f"{key}: {value}" for key, value in found.items()), sep="; ", flush=True)


if __name__ == "__main__":
    main()
