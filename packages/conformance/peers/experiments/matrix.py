# SPDX-License-Identifier: Apache-2.0
"""Which installed release talks to which: handshake, a message each way, a goodbye.   matrix.py FOLDER-OF-VENVS tcp|udp"""

import sys
from pathlib import Path

from peers import client, server


def talk(server_python, client_python, transport):
    """"yes", or how far they came."""
    there, port = server(server_python, transport, "--echo")
    here = client(client_python, transport, port)
    try:
        event = here.event("connected", "error", timeout=20)
        if event["event"] != "connected":
            return "no"
        here.command("send", hex="6869")
        if not here.event("message", timeout=4):
            return "no message"
        here.command("bye")
        ended = there.event("closed", timeout=4)
        return "yes" if ended and ended["reason"] == "bye" else "no BYE"
    finally:
        here.stop()
        there.stop()


def main():
    folder, transport = Path(sys.argv[1]), sys.argv[2]
    releases = sorted(home.name for home in folder.iterdir() if (home / "bin" / "python").exists())
    if transport == "udp":
        releases = [release for release in releases if release >= "0.5"]
    print("server \\ client", *releases, sep="\t")
    for one in releases:
        pythons = [(folder / one / "bin/python", folder / other / "bin/python") for other in releases]
        print(one, *(talk(*pair, transport) for pair in pythons), sep="\t", flush=True)


if __name__ == "__main__":
    main()
