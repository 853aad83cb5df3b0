# SPDX-License-Identifier: Apache-2.0
"""Plays one end of a session with any published release of the Python package `usmp`.

A test starts it with the interpreter of the release it wants and drives it by JSON lines: commands on standard input,
events on standard output, the package's own log on standard error. README.md has the line protocol. The end of
standard input ends the program, so it does not outlive the test that started it.
"""

import argparse
import asyncio
import json
import logging
import sys
from asyncio import selector_events
from pathlib import Path

import usmp
from usmp import USMPClient, USMPServer

CONNECT_TIMEOUT_S = 15


def emit(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def emit_error(error, **fields):
    emit("error", kind=type(error).__name__, message=str(error), **fields)


class RefusalReport(logging.Handler):
    """The server tells a failed handshake to its log alone: the warnings that carry an exception become events."""

    def emit(self, record):
        args = record.args if isinstance(record.args, tuple) else ()
        for error in args:
            if isinstance(error, BaseException):
                emit_error(error)
        if "imeout" in record.getMessage():
            emit("error", kind="TimeoutError", message=record.getMessage())


class Peer:
    def __init__(self, options):
        self.options = options
        self.sessions = {}  # session id -> session, in order of arrival
        self.ended_here = set()  # ids of the sessions this side ended

    def choose_suite(self, session):
        """No release has an option for the suite. The first frame is opened after this, so the change is in time."""
        if self.options.suite == "chacha":
            session._info.cipher_suite = usmp.types.CipherSuite.CHACHA20_POLY1305

    async def serve_session(self, session):
        self.choose_suite(session)
        sid = session.session_id
        self.sessions[sid] = session
        emit("connected", device_id=session.device_id, session_id=sid)
        reason = "error"
        try:
            while True:
                message = await session.recv()
                emit("message", session_id=sid, hex=message.hex())
                if self.options.echo:
                    await session.send(message)
        except asyncio.CancelledError:
            reason = "local"  # not raised again: Python 3.11 logs a traceback for a stream handler that ends cancelled
        except Exception as error:
            reason = self.reason_of(sid, error)
            if reason == "error":
                emit_error(error, session_id=sid)
        finally:
            del self.sessions[sid]
            session._writer.close()
            emit("closed", session_id=sid, reason=reason)

    def reason_of(self, sid, error):
        if sid in self.ended_here:
            return "local"
        if isinstance(error, usmp.ConnectionClosedError) and "BYE" in str(error):
            return "bye"
        if isinstance(error, (asyncio.IncompleteReadError, ConnectionError)):
            return "eof"
        return "error"

    def addressed(self, command):
        """The session a command names, or the newest."""
        sid = command.get("session_id") or next(reversed(self.sessions), None)
        if sid not in self.sessions:
            raise LookupError("no such session")
        return self.sessions[sid]

    async def obey(self, command):
        session = self.addressed(command)
        name = command["cmd"]
        if name == "send":
            await session.send(bytes.fromhex(command["hex"]))
        elif name == "ping":
            await session.ping()
        elif name == "rekey":
            await session.rekey()
        elif name == "bye":
            self.ended_here.add(session.session_id)
            await session.bye()
        elif name == "close":
            self.ended_here.add(session.session_id)
            session._writer.close()
        else:
            raise LookupError(f"no such command: {name}")

    async def obey_in_order(self, commands):
        while True:
            command = await commands.get()
            try:
                await self.obey(command)
                emit("done", cmd=command["cmd"])
            except Exception as error:
                emit_error(error, cmd=command.get("cmd"))

    def protocol_option(self):
        """Releases before UDP have no such parameter."""
        return {} if self.options.transport == "tcp" else {"protocol": "udp"}

    async def run_server(self):
        tell_listening_port(asyncio.get_running_loop())
        server = USMPServer(
            host=self.options.host, port=self.options.port, psk=read_psks(self.options), **self.protocol_option()
        )
        server.on_session(self.serve_session)
        await server.serve()

    async def run_client(self):
        device_id = bytes.fromhex(self.options.id.replace(":", ""))
        client = USMPClient(
            self.options.host, self.options.port, read_psk(self.options), device_id, **self.protocol_option()
        )
        await asyncio.wait_for(client.connect(), CONNECT_TIMEOUT_S)
        await self.serve_session(client._session)


def mend_datagrams():
    """Releases before 1.2.2 insist on asyncio.DatagramTransport, which the transport of CPython 3.11 is not (3.12's is)."""
    transport = selector_events._SelectorDatagramTransport
    if not issubclass(transport, asyncio.DatagramTransport):
        transport.__bases__ += (asyncio.DatagramTransport,)


def tell_listening_port(loop):
    """No release tells which port it was given, and most keep their socket to themselves: look over the loop's shoulder."""

    def watch(method, port_of):
        async def observed(*args, **kwargs):
            endpoint = await method(*args, **kwargs)
            emit("listening", port=port_of(endpoint))
            return endpoint

        return observed

    loop.create_server = watch(loop.create_server, lambda server: server.sockets[0].getsockname()[1])
    loop.create_datagram_endpoint = watch(
        loop.create_datagram_endpoint, lambda pair: pair[0].get_extra_info("sockname")[1]
    )


def read_psk(options):
    return bytes.fromhex(Path(options.psk_file).read_text())


def read_psks(options):
    if options.psk_file:
        return read_psk(options)
    table = json.loads(Path(options.psk_table).read_text())
    return {bytes.fromhex(device.replace(":", "")): bytes.fromhex(psk) for device, psk in table.items()}


async def read_commands(commands):
    """Returns at {"cmd":"stop"} and at the end of standard input; everything else is queued."""
    reader = asyncio.StreamReader()
    # A thread blocked in readline() would keep the interpreter from ending.
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        if command["cmd"] == "stop":
            return
        commands.put_nowait(command)


async def run(options):
    peer = Peer(options)
    commands = asyncio.Queue()
    stop = asyncio.create_task(read_commands(commands))
    work = asyncio.create_task(peer.run_server() if options.role == "server" else peer.run_client())
    obey = asyncio.create_task(peer.obey_in_order(commands))
    done, _ = await asyncio.wait({stop, work, obey}, return_when=asyncio.FIRST_COMPLETED)
    for task in (obey, stop, work):
        task.cancel()
    await asyncio.wait({stop, work, obey})
    failed = next((task.exception() for task in done if not task.cancelled() and task.exception()), None)
    if failed:
        emit_error(failed)
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(description=f"a peer of usmp {usmp.__version__}")
    parser.add_argument("--role", choices=("server", "client"), required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp")
    psk = parser.add_mutually_exclusive_group(required=True)
    psk.add_argument("--psk-file", help="file with one PSK in hex")
    psk.add_argument("--psk-table", help="JSON file, device id -> PSK in hex; the id \"\" stands for every other device")
    parser.add_argument("--id", help="the client's device id, aa:bb:cc:dd:ee:ff")
    parser.add_argument("--suite", choices=("aes", "chacha"), default="aes")
    parser.add_argument("--echo", action="store_true", help="send every message back")
    options = parser.parse_args()
    if options.role == "client" and not (options.id and options.psk_file):
        parser.error("a client needs --id and --psk-file")
    if options.suite == "chacha" and not hasattr(usmp.types, "CipherSuite"):
        parser.error(f"usmp {usmp.__version__} knows AES-256-GCM only")
    return options


if __name__ == "__main__":
    arguments = parse_options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    if arguments.role == "server":
        logging.getLogger("usmp").addHandler(RefusalReport(level=logging.WARNING))
    mend_datagrams()
    sys.exit(asyncio.run(run(arguments)))
