# SPDX-License-Identifier: Apache-2.0
"""The published Python package, for the matrix (README.md). Runs with the interpreter of the release it is for."""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))
import peer  # noqa: E402  what it takes to start any release
import usmp  # noqa: E402

SIZES = (0, 1, 452, 453, 1808)


def say(*words):
    print(*words, flush=True)


def message(size):
    return bytes((7 * i + size) & 0xFF for i in range(size))


def choose_suite(session, options):
    if options.suite == "chacha":
        session._info.cipher_suite = usmp.types.CipherSuite.CHACHA20_POLY1305


def end_of(error):
    if isinstance(error, usmp.ConnectionClosedError) and "BYE" in str(error):
        return "CLOSED"
    return f"{type(error).__name__}: {error}"


async def serve(options, psk):
    ended = asyncio.get_running_loop().create_future()

    async def echo(session):
        choose_suite(session, options)
        say("connected", session.session_id)
        try:
            while True:
                await session.send(await session.recv())
        except Exception as error:
            ended.set_result(end_of(error))

    tell_port(asyncio.get_running_loop())
    server = usmp.USMPServer(host=options.host, port=options.port, psk=psk, **protocol(options))
    server.on_session(echo)
    task = asyncio.create_task(server.serve())
    done, _ = await asyncio.wait({ended, task}, return_when=asyncio.FIRST_COMPLETED)
    return ended.result() if ended in done else f"the server ended: {task.exception()}"


async def exchange(session):
    for size in SIZES:
        await session.send(message(size))
        if await session.recv() != message(size):
            raise ValueError(f"{size} bytes did not come back")
    say("echoed", len(SIZES))


async def play(options, psk):
    device = bytes.fromhex(options.id.replace(":", ""))
    client = usmp.USMPClient(options.host, options.port, psk, device, **protocol(options))
    await asyncio.wait_for(client.connect(), peer.CONNECT_TIMEOUT_S)
    session = client._session
    choose_suite(session, options)
    say("connected", session.session_id)
    await exchange(session)
    await session.ping()
    # The package takes a PONG in while it waits for a message, and tells nobody: the next exchange waits for it.
    await exchange(session)
    if options.rekey:
        await session.rekey()
        await exchange(session)
        say("rekeyed")
    await session.bye()
    return "CLOSED"


def protocol(options):
    return {} if options.transport == "tcp" else {"protocol": "udp"}


def tell_port(loop):
    """No release tells which port it was given."""

    def watch(method, port_of):
        async def observed(*args, **kwargs):
            endpoint = await method(*args, **kwargs)
            say("listening", port_of(endpoint))
            return endpoint

        return observed

    loop.create_server = watch(loop.create_server, lambda server: server.sockets[0].getsockname()[1])
    loop.create_datagram_endpoint = watch(
        loop.create_datagram_endpoint, lambda pair: pair[0].get_extra_info("sockname")[1]
    )


async def run(options):
    psk = bytes.fromhex(Path(options.psk_file).read_text())
    options.host, port = options.at.split(":")
    options.port = int(port)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    input_ended = asyncio.create_task(reader.read())
    work = asyncio.create_task(serve(options, psk) if options.role == "server" else play(options, psk))
    await asyncio.wait({input_ended, work}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        return 1
    code = end_of(work.exception()) if work.exception() else work.result()
    say("closed", code)
    return 0 if code == "CLOSED" else 1


def main():
    parser = argparse.ArgumentParser()
    for name in ("role", "transport", "at", "psk-file", "id", "suite"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rekey", action="store_true")
    peer.mend_datagrams()
    code = asyncio.run(run(parser.parse_args()))
    sys.stdout.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
