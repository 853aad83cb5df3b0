# SPDX-License-Identifier: Apache-2.0
"""What the package does when its sequence numbers run out (1.0.0 on).   VENV/bin/python last_seq.py

Nobody sends 2^32 frames for this: the counter is set inside the package.
"""

import asyncio
import socket
import threading

import wire
from peers import DEVICE, PSK
from usmp import USMPClient


async def run_out(port):
    client = USMPClient("127.0.0.1", port, PSK, DEVICE)
    await client.connect()
    client._session._info.tx_seq = 0xFFFFFFFE
    for message in (b"a", b"b", b"c"):
        try:
            await client.send(message)
            print("send: taken")
        except Exception as error:
            print(f"send: {type(error).__name__} ({error})")
    await client.disconnect()


def watch(listener):
    link = wire.Tcp(listener.accept()[0])
    session = wire.accept(link, PSK)
    while isinstance(frame := link.receive(), wire.Frame):
        print(f"on the wire: type {frame.type} seq {frame.seq:#x}, opens: {session.open(frame) is not None}")
    print("on the wire:", frame)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    watcher = threading.Thread(target=watch, args=(listener,))
    watcher.start()
    asyncio.run(run_out(listener.getsockname()[1]))
    watcher.join()
