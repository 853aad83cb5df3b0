# What `usmp vectors check --exec` talks to (vectors/README.md): a call a line on stdin, its answer a line on stdout.
# Runs under CPython, and under MicroPython by tests/run.mjs. Nothing but the package is tested here.
import json
import sys

from microusmp import crypto, frame, serial
from microusmp.client import Client, Epoch
from microusmp.datagram import DatagramClient, Window
from microusmp.frame import UsmpError
from microusmp.server import Server


class Unsupported(Exception):
    pass


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def tohex(data):
    return "".join(["%02x" % byte for byte in data])


def version_2(call):
    if call.get("version", 2) != 2:
        raise Unsupported("wire version 1 is broken as encryption")


def suite_2(call):
    if call.get("suite") == 1:
        raise Unsupported("AES-256-GCM is not in this client")


def whole(data):
    kind, seq, payload = frame.decode(data)
    return {"type": kind, "seq": seq, "payload": tohex(payload)}


def crc16(call):
    value = frame.crc16(unhex(call["input"]))
    return {"crc": value, "wire": tohex(value.to_bytes(2, "little"))}


def encode(call):
    version_2(call)
    kind, payload = call["type"], unhex(call["payload"])
    return {"frame": tohex(frame.encode(kind, call["seq"], payload))}


def decode(call):
    version_2(call)
    return whole(unhex(call["frame"]))


def deframe(call):
    version_2(call)
    framing = frame.StreamFraming()
    answer = {"frames": []}
    for chunk in call["chunks"]:
        try:
            for one in framing.feed(unhex(chunk)):
                answer["frames"].append(whole(one))
        except UsmpError as error:
            answer["error"] = error.code
    return answer


def line(call):
    version_2(call)
    framing = serial.SerialFraming()
    frames = []
    for chunk in call["chunks"]:
        for one in framing.feed(unhex(chunk)):
            frames.append(tohex(one))
    return {"frames": frames, "dropped": framing.dropped}


def packet(call):
    version_2(call)
    return {"frame": tohex(serial.unpack(unhex(call["packet"])))}


def x25519(call):
    private, peer = unhex(call["private"]), unhex(call["peer_public"])
    for _ in range(call.get("iterations", 1)):
        shared = crypto.x25519(private, peer)
        private, peer = shared, private
    if shared == bytes(32):
        return {"error": "LOW_ORDER_POINT"}
    return {"shared": tohex(shared)}


def hmac(call):
    return {"mac": tohex(crypto.hmac(unhex(call["key"]), unhex(call["message"])))}


def hkdf(call):
    okm = crypto.hkdf(unhex(call["ikm"]), unhex(call["salt"]), unhex(call["info"]), call["length"])
    return {"okm": tohex(okm)}


def aead_seal(call):
    suite_2(call)
    parts = [unhex(call[name]) for name in ("key", "nonce", "aad", "plaintext")]
    return {"sealed": tohex(crypto.seal(*parts))}


def aead_open(call):
    suite_2(call)
    parts = [unhex(call[name]) for name in ("key", "nonce", "aad", "sealed")]
    text = crypto.open_sealed(*parts)
    return {"error": "DECRYPT_FAILED"} if text is None else {"plaintext": tohex(text)}


def agree(call):
    private = unhex(call["private"])
    shared = crypto.x25519(private, unhex(call["peer_public"]))
    if shared == bytes(32):
        return {"error": "LOW_ORDER_POINT"}
    return {"public": tohex(crypto.x25519(private)), "shared": tohex(shared)}


def keys(call):
    version_2(call)
    private, peer = unhex(call["private"]), unhex(call["peer_public"])
    own = crypto.x25519(private)
    publics = own + peer if call["role"] == "client" else peer + own
    okm = crypto.hkdf(crypto.x25519(private, peer), unhex(call["nonce"]), b"usmp-v2" + publics)
    return {"k_c2s": tohex(okm[:32]), "k_s2c": tohex(okm[32:])}


KINDS = {"ordered": Client, "datagram": DatagramClient}


def sent(client):
    out = []
    while True:
        data = client.poll()
        if data is None:
            return out
        # Acknowledgements and repeats are left out of the comparison.
        if data[:2] != b"\xac\xac":
            out.append(tohex(data))


def handshake(call):
    version_2(call)
    private, psk = unhex(call["private"]), unhex(call["psk"])
    if call["role"] == "client":
        client = KINDS[call["transport"]](unhex(call["device_id"]), psk, lambda _: private, 0)
    elif call["transport"] == "ordered":
        numbers = [bytes(32), private, unhex(call["nonce"]), unhex(call["session_id"])]
        client = Server(lambda device_id: psk, lambda _: numbers.pop(0), 0)
    else:
        raise Unsupported("a server on datagrams is not in this package")
    steps = []
    for data in [None] + [unhex(one) for one in call["receive"]]:
        client.dropped = {}
        ended = client.reason
        if data is not None:
            client.receive(data, 0)
        error = client.reason if client.reason and not ended else ""
        for code in client.dropped:
            error = code
        steps.append({"sends": sent(client), "error": error, "established": client.state() == "open"})
    answer = {"steps": steps[call["start"] :]}
    if client.state() == "open":
        epoch = client._epochs[0]
        keys = tohex(epoch.tx), tohex(epoch.rx)
        answer["k_c2s"], answer["k_s2c"] = keys if call["role"] == "client" else (keys[1], keys[0])
    return answer


def opened(call, rx, tx, session_id, kind=Client):
    """A client in an established session with these keys."""
    client = kind(bytes(6), bytes(range(32)), bytes, 0)
    sent(client)
    client.open(session_id, rx, tx, 0)
    return client


def seal(call):
    version_2(call)
    suite_2(call)
    client = opened(call, None, unhex(call["key"]), unhex(call["session_id"]))
    client._tx_seq = call["seq"]
    client._seal([(call["type"], unhex(call["plaintext"]))], 0)
    return {"frame": sent(client)[0]}


def open_frame(call):
    version_2(call)
    suite_2(call)
    if call["extensions"]:
        raise Unsupported("extension types are not in this client")
    client = opened(call, unhex(call["key"]), None, unhex(call["session_id"]))
    client._opened = not call["first"]
    client._epochs[0].next = call["expected_seq"]
    got = []
    client._accepted = lambda kind, seq, text, epoch, now: got.append({"type": kind, "seq": seq, "plaintext": tohex(text)})
    client.receive(unhex(call["frame"]), 0)
    return got[0] if got else {"error": client.reason}


def split(call):
    client = opened(call, None, bytes(32), bytes(16))
    frames = []

    def note(pieces, now):
        for kind, text in pieces:
            frames.append({"type": kind, "seq": call["first_seq"] + len(frames), "plaintext": tohex(text)})

    client._submit = note
    client.send(unhex(call["message"]), 0)
    return {"frames": frames}


def reassemble(call):
    client = opened(call, None, None, bytes(16), KINDS[call["transport"]])
    epoch = client._epochs[0]
    messages = []
    for one in call["frames"]:
        try:
            message = client._assemble(one["type"], one["seq"], unhex(one["plaintext"]), epoch)
        except UsmpError as error:
            if call["transport"] == "ordered":
                return {"messages": messages, "error": error.code}
            message = None
        if message is not None:
            messages.append(tohex(message))
    return {"messages": messages, "error": ""}


def replay(call):
    key = bytes(range(32))
    kind = KINDS[call["transport"]]
    client = opened(call, key, None, bytes(16), kind)
    if call["transport"] == "ordered":
        client._epochs[0].next = call["start"]
    client._accepted = lambda kind, seq, text, epoch, now: None
    peer = opened(call, None, key, bytes(16))
    answers = []
    for step in call["steps"]:
        # A frame of each number, as a peer would seal it that may use them all.
        nonce = peer._nonce(step["seq"])
        head = frame.header(frame.DATA, step["seq"], 28)
        sealed = nonce + crypto.seal(key, nonce, head, b"")
        if not step["authentic"]:
            sealed = sealed[:-1] + bytes((sealed[-1] ^ 1,))
        client.dropped = {}
        client.receive(frame.encode(frame.DATA, step["seq"], sealed), 0)
        code = client.reason or "".join(client.dropped) or "ACCEPT"
        answers.append({"DECRYPT_FAILED": "DROPPED", "SUITE_MISMATCH": "DROPPED"}.get(code, code))
    return {"steps": answers}


def rekey_keys(call):
    # This client only follows: for both roles the one who does not begin is asked.
    c2s, s2c = unhex(call["k_c2s"]), unhex(call["k_s2c"])
    follows_as_client = call["initiator"] == "server"
    rx, tx = (s2c, c2s) if follows_as_client else (c2s, s2c)
    client = opened(call, rx, tx, unhex(call["session_id"]))
    client._rekey(unhex(call["salt"]), client._epochs[0])
    epoch = client._epochs[1]
    rx, tx = tohex(epoch.rx), tohex(epoch.tx)
    return {"new_k_c2s": tx, "new_k_s2c": rx} if follows_as_client else {"new_k_c2s": rx, "new_k_s2c": tx}


def session(call):
    version_2(call)
    suite_2(call)
    if "rekey" in [step["do"] for step in call["steps"]]:
        raise Unsupported("this client begins no rekey")
    c2s, s2c = unhex(call["k_c2s"]), unhex(call["k_s2c"])
    is_client = call["role"] == "client"
    client = opened(call, *((s2c, c2s) if is_client else (c2s, s2c)), unhex(call["session_id"]))
    numbers = call["c2s_seq"], call["s2c_seq"]
    client._tx_seq, client._epochs[0].next = numbers if is_client else (numbers[1], numbers[0])
    client._opened = client._epochs[0].next > 0
    steps = []
    for step in call["steps"]:
        do, at = step["do"], step["at"]
        ended = client.reason
        refused = ""
        try:
            if do == "receive":
                client.receive(unhex(step["input"]), at)
            elif do == "send":
                client.send(unhex(step["input"]), at)
            elif do == "ping":
                client.ping(at)
            else:
                client.close(at)
        except UsmpError as error:
            refused = error.code
        messages = []
        while True:
            message = client.message()
            if message is None:
                break
            messages.append(tohex(message))
        end = client.reason if client.reason and not ended else ""
        steps.append({"messages": messages, "sends": sent(client), "end": end, "refused": refused})
    return {"steps": steps}


def utack(call):
    return {"utack": tohex(frame.acknowledgement(call["type"], call["seq"], unhex(call["key"])))}


def utack_verify(call):
    # What the client does with the frame that is under way.
    data = unhex(call["utack"])
    kind, seq = (data[2], int.from_bytes(data[3:7], "little")) if len(data) > 6 else (0, 0)
    client = opened(call, None, None, bytes(16), DatagramClient)
    client._under_way = (kind, seq, b"", unhex(call["key"]))
    client._first_at, client._sends = 0, 1
    client.receive(data, 0)
    return {"error": "DROPPED"} if client.dropped else {"type": kind, "seq": seq}


calls = {
    "crc16": crc16,
    "encode": encode,
    "decode": decode,
    "deframe": deframe,
    "line": line,
    "packet": packet,
    "cobs_encode": lambda call: {"encoded": tohex(serial.cobs_encode(unhex(call["data"])))},
    "cobs_decode": lambda call: {"data": tohex(serial.cobs_decode(unhex(call["encoded"])))},
    "x25519": x25519,
    "hmac": hmac,
    "hkdf": hkdf,
    "aead_seal": aead_seal,
    "aead_open": aead_open,
    "agree": agree,
    "keys": keys,
    "handshake": handshake,
    "seal": seal,
    "open": open_frame,
    "split": split,
    "reassemble": reassemble,
    "replay": replay,
    "rekey_keys": rekey_keys,
    "session": session,
    "utack": utack,
    "utack_verify": utack_verify,
}


def answer(text):
    """The answer to one line."""
    call = json.loads(text)
    run = calls.get(call["call"])
    if not run:
        return json.dumps({"unsupported": "nothing for a client"})
    try:
        return json.dumps(run(call))
    except UsmpError as error:
        return json.dumps({"error": error.code})
    except Unsupported as reason:
        return json.dumps({"unsupported": str(reason)})


if __name__ == "__main__":
    for text in sys.stdin:
        print(answer(text), flush=True)
