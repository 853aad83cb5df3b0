"""Replays the vectors through the published Python package `usmp`, with its own functions, and tells where the two differ.

Run it with a Python that has the package: `python check-peer.py`. Releases 1.2.0 to 1.2.2 are held to the groups of wire version 2,
releases 0.4.7 to 0.5.1 to those of wire version 1. It fails when a case differs and KNOWN does not say why, or when KNOWN lists what does not differ.
"""

import asyncio
import json
import logging
import sys
import types
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from usmp import _crypto, _frame, _handshake, _session
from usmp.types import USMP_VERSION, PacketType, SessionInfo

logging.disable(logging.CRITICAL)
VECTORS = Path(__file__).resolve().parent.parent

# (topic, flag or None, part of the comment or None, why the peer differs)
KNOWN = [
    ("frame", "TRAILING", None, "surplus bytes are looked for in the peer's transports, not in its codec"),
    ("frame", "ENCODE_LIMIT", "type 0x00", "the peer encodes type 0x00"),
    ("stream", "FAULT", None, "the peer judges no field before all 12 bytes of the header and the payload are there"),
    ("handshake", "ERROR_IS_A_HINT", None, "the peer ends the handshake when it receives ERROR"),
    ("handshake", "FRAME_FAULT", None, "the peer does not check the CRC of handshake frames"),
    ("handshake", "LOW_ORDER", "judged after the mac", "the peer computes the keys before it has seen the mac"),
    ("session", "ERROR_IGNORED", None, "the peer ends the session when it receives ERROR"),
    ("session", "INSIDE", None, "the peer does not look inside PING, PONG and BYE"),
    ("session", "FLOOD", None, "the peer takes the time from a clock, not from the caller, and its window begins with the call of recv"),
    ("session", "OWN_REKEYS", None, "the peer does not limit its own rekeys"),
    ("session", "SEQ_END", "three pieces", "the peer sends the first pieces of a message that it cannot finish"),
    ("fragment", "EMPTY_PIECE", None, "the peer counts bytes where it asks whether a message is half built"),
    ("utack", "MALFORMED", "behind it", "the peer takes surplus bytes"),
]


def known(topic, test):
    for index, (name, flag, part, _reason) in enumerate(KNOWN):
        if name == topic and (flag is None or flag in test["flags"]) and (part is None or part in test["comment"]):
            return index
    return None


unhex = bytes.fromhex


class Starved(Exception):
    """The peer asked for more than the case gives."""


class Line:
    """A transport without a network: frames in from a queue, frames out to a list."""

    def __init__(self, reliable=True, check_crc=True):
        self.incoming = asyncio.Queue()
        self.sent = []
        self.is_reliable = reliable
        self.check_crc = check_crc
        self.waiting = asyncio.Event()

    async def read_frame(self, verify_crc=True):
        if self.incoming.empty():
            self.waiting.set()
        data = await self.incoming.get()
        if isinstance(data, Exception):
            raise data
        return _frame.decode_frame(data, verify_crc=verify_crc)

    async def write_frame(self, type_, payload, seq=0):
        self.sent.append(_frame.encode_frame(type_, payload, seq))

    def set_session_keys(self, tx_key, rx_key):
        self.keys = (tx_key, rx_key)

    def confirm_authenticated(self, seq):
        pass

    def get_extra_info(self, name):
        return None

    def close(self):
        pass


# ---- crc16, frame, stream ----


def check_crc16(_params, test):
    return _frame.crc16(unhex(test["input"])) == test["crc"]


def check_frame(params, test):
    if params["op"] != "decode":
        try:
            made = _frame.encode_frame(test["type"], unhex(test["payload"]), test["seq"])
        except Exception:
            return test["result"] == "invalid"
        if test["result"] == "invalid" or made.hex() != test["frame"]:
            return False
        if test["type"] not in list(PacketType):
            return True
    try:
        frame = _frame.decode_frame(unhex(test["frame"]))
    except Exception:
        return test["result"] == "invalid"
    return test["result"] == "valid" and (frame.type, frame.seq, frame.payload.hex()) == (test["type"], test["seq"], test["payload"])


def check_stream(_params, test):
    async def run():
        reader = asyncio.StreamReader()
        for chunk in test["chunks"]:
            reader.feed_data(unhex(chunk))
        reader.feed_eof()
        frames = []
        while True:
            try:
                frame = await _frame.read_frame(reader)
            except asyncio.IncompleteReadError:
                return frames, False
            except Exception:
                return frames, True
            frames.append({"type": int(frame.type), "seq": frame.seq, "payload": frame.payload.hex()})

    return asyncio.run(run()) == (test["frames"], test["result"] == "invalid")


# ---- keys ----


def check_key_schedule(params, test):
    if params["op"] == "agree":
        own = X25519PrivateKey.from_private_bytes(unhex(test["private"]))
        peer = unhex(test["peer_public"])
        try:
            _crypto.derive_session_keys(own, peer, bytes(32), bytes(32), bytes(32))
        except Exception:
            return test["result"] == "invalid"
        shared = own.exchange(X25519PublicKey.from_public_bytes(peer))
        return (own.public_key().public_bytes_raw().hex(), shared.hex()) == (test.get("public"), test.get("shared"))
    derive = _crypto.derive_session_keys if USMP_VERSION == 2 else _crypto.derive_session_key
    client, server = unhex(test["client_public"]), unhex(test["server_public"])
    sides = [("client_private", server), ("server_private", client)]
    expected = (test["k_c2s"], test["k_s2c"]) if USMP_VERSION == 2 else test["k_c2s"]
    for private, peer in sides:
        made = derive(X25519PrivateKey.from_private_bytes(unhex(test[private])), peer, unhex(test["nonce"]), client, server)
        if (tuple(key.hex() for key in made) if USMP_VERSION == 2 else made.hex()) != expected:
            return False
    return True


# ---- handshake ----


async def shake(role, given, frames):
    """Runs the peer's own handshake on `frames`: what it sent, and how it ended (keys, None while it waits, or "refused")."""
    line = Line()
    private = X25519PrivateKey.from_private_bytes(unhex(given[f"{role}_private"]))
    randoms = {32: unhex(given["nonce"]), 16: unhex(given["session_id"])}
    _handshake.generate_keypair = lambda: (private, private.public_key().public_bytes_raw())
    _handshake.os = types.SimpleNamespace(urandom=lambda length: randoms[length])
    _handshake._failed_handshakes.clear()
    marks = []
    for frame in frames:
        line.incoming.put_nowait(unhex(frame))
    line.incoming.put_nowait(Starved())
    reading = line.read_frame

    async def marking(*_args, verify_crc=True):
        marks.append(len(line.sent))
        return await reading(verify_crc=verify_crc)

    line.read_frame = marking
    psk = unhex(given["psk"])
    if USMP_VERSION == 1:
        _handshake.read_frame = marking
        _handshake.write_frame = lambda _writer, type_, payload, seq=0: line.write_frame(type_, payload, seq)
    try:
        if role == "client":
            info = await _handshake.client_handshake(line, line, psk, unhex(given["device_id"]))
        else:
            info = await _handshake.server_handshake(line, line, psk)
        end = info
    except Starved:
        end = None
    except Exception:
        end = "refused"
    # Behind the frame fed last come the messages sent after it was asked for.
    last = marks[len(frames) - 1] if len(marks) >= len(frames) else len(line.sent)
    return [frame.hex() for frame in line.sent], [frame.hex() for frame in line.sent[last:]], end


def keys_of(info, role):
    if USMP_VERSION == 1:
        return (info.session_key.hex(), info.session_key.hex())
    pair = (info.tx_key.hex(), info.rx_key.hex())
    return pair if role == "client" else pair[::-1]


def check_handshake(params, test):
    if params["op"] == "transcript":
        retry = "hello_retry" in test
        client_in = [test["hello_retry"]] if retry else []
        client_in += [test["challenge"], test["session_ok"]]
        client_out = [test["hello"]] + ([test["hello_cookie"]] if retry else []) + [test["hello_ack"]]
        server_in = [test["hello_cookie" if retry else "hello"], test["hello_ack"]]
        server_out = [test["challenge"], test["session_ok"]]
        for role, frames, expected in [("client", client_in, client_out), ("server", server_in, server_out)]:
            sent, _last, info = asyncio.run(shake(role, test, frames))
            if info in (None, "refused") or sent != expected or keys_of(info, role) != (test["k_c2s"], test["k_s2c"]):
                return False
        return True
    _sent, reply, end = asyncio.run(shake(params["role"], params, test["prefix"] + [test["frame"]]))
    if test["result"] == "invalid":
        return end == "refused"
    return end != "refused" and reply == test["reply"] and (end is not None) == test["established"]


# ---- sessions ----


def suite_of(params):
    """As the last argument of the peer's functions; releases of wire version 1 have no suites."""
    return [_crypto.CipherSuite(params["suite"])] if USMP_VERSION == 2 else []


def session_info(params, tx, rx, tx_seq=0, rx_seq=0):
    return SessionInfo(bytes(6), unhex(params["session_id"]), tx, rx, tx_seq, rx_seq, 0, *suite_of(params))


class Peer:
    """The peer's session on a line; what it hands to the application is collected."""

    def __init__(self, info, reliable=True):
        self.line = Line(reliable)
        self.session = _session.USMPSession(self.line, info)
        self.messages = []
        self.ended = False
        self.task = asyncio.create_task(self.listen())

    async def listen(self):
        try:
            while True:
                self.messages.append((await self.session.recv()).hex())
        except Exception:
            self.ended = True
            self.line.waiting.set()

    async def feed(self, frame):
        self.line.waiting.clear()
        self.line.incoming.put_nowait(frame)
        await self.line.waiting.wait()

    async def start(self):
        await self.line.waiting.wait()
        return self

    def take(self):
        messages, sent = self.messages[:], [frame.hex() for frame in self.line.sent]
        self.messages.clear()
        self.line.sent.clear()
        return messages, sent


def seal(params, type_, seq, plaintext, key):
    nonce = seq.to_bytes(4, "little") + unhex(params["session_id"])[:8]
    payload = _crypto.encrypt(key, nonce, seq, type_, USMP_VERSION, 0xABCD, plaintext, *suite_of(params))
    return _frame.encode_frame(type_, payload, seq)


def check_sealed(params, test):
    key = unhex(params["key"])
    if params["op"] == "seal":
        plaintext = unhex(test["plaintext"])
        made = seal(params, test["type"], test["seq"], plaintext, key)
        nonce, payload = unhex(test["nonce"]), unhex(test["frame"])[12:]
        opened = _crypto.decrypt(key, nonce, test["seq"], test["type"], USMP_VERSION, 0xABCD, len(payload), payload, *suite_of(params))
        return made.hex() == test["frame"] and opened == plaintext

    async def run():
        peer = await Peer(session_info(params, bytes(32), key, 0, test["expected_seq"])).start()
        await peer.feed(unhex(test["frame"]))
        peer.task.cancel()
        return peer.ended and peer.messages == []

    return asyncio.run(run())


def check_session(params, test):
    out, back = ("c2s", "s2c") if params["role"] == "client" else ("s2c", "c2s")
    info = session_info(params, unhex(params[f"k_{out}"]), unhex(params[f"k_{back}"]), params[f"{out}_seq"], params[f"{back}_seq"])

    async def run():
        peer = await Peer(info).start()
        for step in test["steps"]:
            failed = False
            try:
                if step["do"] == "receive":
                    await peer.feed(unhex(step["input"]))
                elif step["do"] == "send":
                    await peer.session.send(unhex(step["input"]))
                elif step["do"] == "ping":
                    await peer.session.ping()
                else:
                    await peer.session.bye()
            except Exception:
                failed = True
            ended = peer.ended if step["do"] == "receive" else step["end"] != ""
            if peer.take() != (step["messages"], step["sends"]) or ended != (step["end"] != "") or failed != (step["refused"] != ""):
                peer.task.cancel()
                return False
        peer.task.cancel()
        return True

    return asyncio.run(run())


FRAGMENT_SESSION = {"session_id": "00" * 16, "suite": 1}


def check_fragment(params, test):
    key = bytes(range(32))

    async def run():
        if params["op"] == "split":
            peer = await Peer(session_info(FRAGMENT_SESSION, key, key, test["first_seq"])).start()
            try:
                await peer.session.send(unhex(test["message"]))
            except Exception:
                return test["result"] == "invalid" and peer.line.sent == []
            finally:
                peer.task.cancel()
            expected = [seal(FRAGMENT_SESSION, piece["type"], piece["seq"], unhex(piece["plaintext"]), key) for piece in test["frames"]]
            return peer.line.sent == expected
        ordered = params["transport"] == "ordered"
        first = test["frames"][0]["seq"] if ordered else 0
        peer = await Peer(session_info(FRAGMENT_SESSION, key, key, 0, first), ordered).start()
        for piece in test["frames"]:
            await peer.feed(seal(FRAGMENT_SESSION, piece["type"], piece["seq"], unhex(piece["plaintext"]), key))
        peer.task.cancel()
        return (peer.messages, peer.ended) == (test["messages"], test["result"] == "invalid")

    return asyncio.run(run())


def check_rekey(params, test):
    tx, rx = ("k_c2s", "k_s2c") if test["initiator"] == "client" else ("k_s2c", "k_c2s")
    session_id, salt = unhex(test["session_id"]), unhex(test["salt"])
    begins = _crypto.derive_rekey_keys(True, unhex(test[tx]), unhex(test[rx]), session_id, salt)
    follows = _crypto.derive_rekey_keys(False, unhex(test[rx]), unhex(test[tx]), session_id, salt)
    expected = (unhex(test[f"new_{tx}"]), unhex(test[f"new_{rx}"]))
    return begins == expected and follows == expected[::-1]


# ---- datagrams ----


def check_utack(params, test):
    from usmp.transport.udp import UDPStream

    async def run():
        stream = UDPStream(types.SimpleNamespace(sendto=lambda *_args: None), ("127.0.0.1", 1))
        key = unhex(test["key"]) or None
        stream.set_session_keys(key, key)
        if params["op"] == "encode":
            return stream._build_utack(test["type"], test["seq"]).hex() == test["utack"]
        data = unhex(test["utack"])
        stream._pending_send_type, stream._pending_send_seq = (data[2], int.from_bytes(data[3:7], "little")) if len(data) >= 7 else (1, 0)
        stream.feed_packet(data)
        return stream._ack_received_event.is_set() == (test["result"] == "valid")

    return asyncio.run(run())


CHECKS = {
    "crc16": (check_crc16, {"crc16"}),
    "frame": (check_frame, {"codec", "decode", "encode"}),
    "stream": (check_stream, {"deframe"}),
    "key-schedule": (check_key_schedule, {"agree", "keys"}),
    "handshake": (check_handshake, {"transcript", "step"}),
    "sealed": (check_sealed, {"seal", "open"}),
    "fragment": (check_fragment, {"split", "reassemble"}),
    "session": (check_session, {"script"}),
    "rekey": (check_rekey, {"derive"}),
    "utack": (check_utack, {"encode", "verify"}),
}

# What the peer has no function for, or does otherwise by design.
LEFT_OUT = {
    "frame, decoding of unassigned types": "the peer's codec decodes only the types in use",
    "cobs": "the peer has no serial line",
    "replay": "the peer's window is a part of its receive loop; the datagram cases of `fragment` pass through it",
    "rekey scripts": "the peer switches at once in both directions and keeps no old key",
    "device-psk": "the peer derives no keys for devices",
    "fingerprint": "the peer shows no fingerprint of a key",
    "ota-manifest": "the peer has no updates",
    "discovery": "the peer has none",
    "handshake steps on datagrams": "the peer's rules are in its socket layer, and one bad datagram ends its handshake",
}


def applies(topic, params, ops):
    if params["op"] not in ops or params.get("version", USMP_VERSION) != USMP_VERSION:
        return False
    if USMP_VERSION == 1:
        return params.get("version") == 1
    return not (topic == "handshake" and params["op"] == "step" and params["transport"] == "datagram")


def main():
    unexplained, differing = [], set()
    for topic, (check, ops) in CHECKS.items():
        same = explained = 0
        for group in json.loads((VECTORS / f"{topic}.json").read_text())["groups"]:
            if not applies(topic, group["params"], ops):
                continue
            for test in group["tests"]:
                reason = known(topic, test)
                if check(group["params"], test):
                    same += 1
                elif reason is None:
                    unexplained.append(f"{topic} {test['id']}: {test['comment']}")
                else:
                    explained += 1
                    differing.add(reason)
        if same + explained > 0:
            print(f"{topic:14} {same:4} the same, {explained:3} differ as known")
    stale = [] if USMP_VERSION == 1 else [f"KNOWN lists what does not differ: {KNOWN[i]}" for i in range(len(KNOWN)) if i not in differing]
    for line in unexplained + stale:
        print(line, file=sys.stderr)
    for name, reason in LEFT_OUT.items():
        print(f"not checked: {name}: {reason}")
    return 1 if unexplained or stale else 0


sys.exit(main())
