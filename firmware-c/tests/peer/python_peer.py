"""One end of a session in the published Python package (usmp 1.2.2): an echo server, or a client that exchanges messages with one.

usage: python_peer.py server|client tcp|udp PORT aes|chacha PSK_FILE
"""

import asyncio
import pathlib
import sys

from usmp import USMPClient, USMPServer
from usmp.errors import USMPError
from usmp.types import CipherSuite

ROLE, TRANSPORT, PORT, SUITE, PSK_FILE = sys.argv[1:6]
PSK = pathlib.Path(PSK_FILE).read_bytes()
# The package has no public switch for the suite; it is a field of the session.
SUITES = {"aes": CipherSuite.AES256_GCM, "chacha": CipherSuite.CHACHA20_POLY1305}
SIZES = (0, 1, 64, 452, 453, 1356, 1808)


async def serve():
    server = USMPServer(host="127.0.0.1", port=int(PORT), psk=PSK, protocol=TRANSPORT)

    @server.on_session
    async def echo(session):
        session._info.cipher_suite = SUITES[SUITE]
        try:
            while True:
                await session.send(await session.recv())
        except (USMPError, OSError):
            pass  # the end of a session

    await server.serve()


async def run_client():
    client = USMPClient("127.0.0.1", int(PORT), PSK, protocol=TRANSPORT)
    await client.connect()
    client._session._info.cipher_suite = SUITES[SUITE]
    for size in SIZES:
        message = bytes((size + 3 * index) & 255 for index in range(size))
        await client.send(message)
        assert await client.recv() == message, size
    # A published peer loses what crosses its REKEY: nothing is under way here.
    await client._session.rekey()
    await client.send(b"under the new keys")
    assert await client.recv() == b"under the new keys"
    await client.disconnect()
    print("python client: all came back")


asyncio.run(serve() if ROLE == "server" else run_client())
