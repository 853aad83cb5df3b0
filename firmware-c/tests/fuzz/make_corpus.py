#!/usr/bin/env python3
"""Makes the seed corpus of the fuzz targets from the shared vectors. usage: make_corpus.py VECTORS_DIR OUTPUT_DIR"""

import json
import pathlib
import sys


def tests(vectors, topic, operation):
    document = json.loads((vectors / f"{topic}.json").read_text())
    for group in document["groups"]:
        if group["params"]["op"] == operation and group["params"].get("version", 2) == 2:
            for test in group["tests"]:
                yield group["params"], test


def deframer(vectors):
    for _, test in tests(vectors, "stream", "deframe"):
        yield bytes([6, 0]) + bytes.fromhex("".join(test["chunks"]))
    for _, test in tests(vectors, "cobs", "line"):
        yield bytes([6, 1]) + bytes.fromhex(test["line"])


def handshake(vectors):
    for params, test in tests(vectors, "handshake", "step"):
        flags = (params["transport"] == "datagram") | (params["role"] == "client") << 1 | (params["transport"] == "serial") << 2
        seed = bytes([flags])
        for frame in map(bytes.fromhex, test["prefix"] + [test["frame"]]):
            payload = frame[12:][:255]
            seed += bytes([frame[3] if len(frame) > 3 else 1, len(payload)]) + payload
        yield seed


def session(_vectors):
    # operations of fuzz_session.c: send, rekey, ping, deliver, seal anything, seal the right size
    send, rekey, ping, deliver, seal, right = 0, 1, 2, 3, 6, 8
    scripts = [
        [(send, 5), (deliver, 0), (deliver, 0)],
        [(send, 500), (deliver, 0)],
        [(rekey, 0), (deliver, 0), (ping, 0), (deliver, 0)],
        [(seal, 0x0509), (deliver, 0), (seal, 0x0505), (deliver, 0)],
        [(right, 0x0B20), (deliver, 0), (send, 3), (deliver, 0)],
    ]
    for kind in (0, 1, 4, 8, 16):
        for side in (0, 1):
            for script in scripts:
                yield bytes([kind]) + b"".join(bytes([side | op << 3, value & 255, value >> 8]) for op, value in script)


def rpc(_vectors):
    drive = '{"jsonrpc":"2.0","id":7,"method":"echo","params":{"v":0.2,"w":-1.5e-3}}'
    chat = '{"jsonrpc":"2.0","id":"a","method":"echo","params":{"text":"\\ud83e\\udd16 \\n\\u00e9 Gr\u00fc\u00dfe"}}'
    age = '{"jsonrpc":"2.0","id":null,"method":"echo","params":{"v":1e308},"age":{"at":12.5,"ttl":300}}'
    answer = '{"jsonrpc":"2.0","id":1,"result":{"a":[1,true,false,null,{"b":[]}]}}'
    notification = '{"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}'
    for text in drive, chat, age, answer, notification, f"[{drive},{chat}]", "[" * 9 + "]" * 9:
        yield bytes(1) + text.encode()


def discovery(vectors):
    ours = b"n" * 8  # the nonce that fuzz_discovery.c asks with
    for operation, field in (("query", "query"), ("query_decode", "query"), ("answer", "answer"), ("answer_decode", "answer")):
        for _, test in tests(vectors, "discovery", operation):
            datagram = bytes.fromhex(test[field])
            yield bytes([1, len(datagram)]) + datagram[:6] + (ours if len(datagram) >= 14 else datagram[6:14]) + datagram[14:]


def manifest(vectors):
    for operation in "parse", "judge":
        for _, test in tests(vectors, "ota-manifest", operation):
            whole = bytes.fromhex(test["manifest"])
            yield whole
            yield whole[96:-64]  # the variable part alone


def ota(_vectors):
    # events of fuzz_ota.c: a message, an offer, chunks, ota.apply, a restart, a session begins and ends, a fault, time, the self-test
    message, offer, serve, apply, restart, begin, end, fault, wait, test = range(10)
    image, passed = 0, 1
    whole = [(serve, 16)] * 3
    update = [(offer, image), *whole, (apply, image), (restart, 0), (begin, 0), (test, passed)]
    scripts = [
        update,
        [*update, (offer, 1), *whole, (apply, 1), (restart, 0), (wait, 255)],
        [(offer, 1), (serve, 5), (end, 0), (begin, 0), (offer, 1), (serve, 40)],
        [(offer, image), *whole, (apply, image), (restart, 0), (test, 0), (restart, 0)],
        *([(fault, call), *update] for call in range(10)),
    ]
    for script in scripts:
        yield bytes(value for event in script for value in event)
    for text in ("ota.state", "{}"), ("ota.abort", '{"sha256":"%s"}' % ("00" * 32)), ("ota.offer", '{"manifest":"VU9U"}'):
        request = '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' % text
        yield bytes([message, 0, (len(request) + 1) // 2]) + request.encode().ljust(len(request) + len(request) % 2)
    chunk = bytes([0xFE, 2]) + bytes(4) + bytes(440)
    yield bytes([offer, 0, message, 0, len(chunk) // 2]) + chunk


def main():
    vectors, output = map(pathlib.Path, sys.argv[1:3])
    for make in (deframer, handshake, session, rpc, discovery, manifest, ota):
        folder = output / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(make(vectors)):
            (folder / f"{number:03}").write_bytes(seed)


main()
