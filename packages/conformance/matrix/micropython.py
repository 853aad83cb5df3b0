# SPDX-License-Identifier: Apache-2.0
"""The client for MicroPython under CPython, with its socket adapter, for the matrix (README.md)."""

import argparse
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "firmware-micropython"))
from microusmp.frame import UsmpError  # noqa: E402
from microusmp.sockets import Connection  # noqa: E402

SIZES = (0, 1, 452, 453, 1808)


def say(*words):
    print(*words, flush=True)


def play(options):
    host, port = options.at.split(":")
    psk = bytes.fromhex(Path(options.psk_file).read_text())
    session = Connection(host, int(port), bytes.fromhex(options.id.replace(":", "")), psk, options.transport == "udp")
    say("connected", session.client.session_id.hex())
    for size in SIZES:
        message = bytes((7 * i + size) & 0xFF for i in range(size))
        session.send(message)
        if session.receive(10_000) != message:
            return f"{size} bytes did not come back"
    if session.ping() is None:
        return "no PONG"
    say("echoed", len(SIZES))
    session.close()
    return session.client.reason


def end_with_input():
    """No program outlives its test."""
    sys.stdin.read()
    os._exit(1)


def main():
    parser = argparse.ArgumentParser()
    for name in ("role", "transport", "at", "psk-file", "id", "suite"):
        parser.add_argument(f"--{name}", required=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    try:
        code = play(parser.parse_args())
    except UsmpError as error:
        code = error.code
    say("closed", code)
    sys.exit(0 if code == "CLOSED" else 1)


if __name__ == "__main__":
    main()
