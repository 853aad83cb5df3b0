# SPDX-License-Identifier: Apache-2.0
"""Starts peer.py for an experiment, follows its events, and hands every experiment a source address of its own."""

import itertools
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "peer.py"
PSK = bytes(range(100, 132))
DEVICE = bytes.fromhex("aabbccddee01")
_hosts = itertools.count(2)


def fresh_host():
    """The published server counts failures and connections by address: one experiment must not spoil the next."""
    n = next(_hosts)
    return f"127.0.{n // 250}.{n % 250 + 1}"


class Peer:
    def __init__(self, python, role, *options, table=None):
        """A server knows every device under PSK, or those of the table."""
        self._psk = tempfile.NamedTemporaryFile("w")
        self._psk.write(json.dumps(table) if table else PSK.hex())
        self._psk.flush()
        source = "--psk-table" if table else "--psk-file"
        command = [python, PROGRAM, "--role", role, source, self._psk.name, *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.events = queue.Queue()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "exit"})

    def event(self, *names, timeout=3.0):
        """The next event of these names, others passed over; None when there is none in time."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                return None
            if event["event"] in names:
                return event
        return None

    def forget(self):
        while not self.events.empty():
            self.events.get()

    def command(self, cmd, **fields):
        self.process.stdin.write(json.dumps({"cmd": cmd, **fields}) + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def server(python, transport, *options, table=None):
    peer = Peer(python, "server", "--transport", transport, *options, table=table)
    return peer, peer.event("listening", timeout=10)["port"]


def client(python, transport, port):
    return Peer(python, "client", "--transport", transport, "--port", str(port), "--id", DEVICE.hex(":"))


def end_of(peer, timeout=2.0):
    """How the peer saw its session end, in a word or two; "lives" if it did not."""
    error = None
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        event = peer.event("closed", "error", timeout=left)
        if event and event["event"] == "error":
            error = f"{event['kind']} ({event['message']})"
        elif event:
            return error or event["reason"]
    return error or "lives"


def report(experiments, *arguments):
    """Runs experiments in order and prints what each found. Their docstrings are the questions."""
    chosen = sys.argv[2:]
    for experiment in experiments:
        if not chosen or experiment.__name__ in chosen:
            try:
                found = experiment(*arguments)
            except Exception as error:
                found = f"!! {type(error).__name__}: {error}"
            print(f"{experiment.__name__:26} {experiment.__doc__} -> {found}", flush=True)
