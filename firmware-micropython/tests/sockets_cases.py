# Sockets and asyncio, for CPython alone: MicroPython in WebAssembly has no sockets.
import asyncio
import select
import socket
import threading

import microusmp.client
import microusmp.sockets
from microusmp import aio
from microusmp.client import Client
from microusmp.clock import Clock
from microusmp.datagram import DatagramClient
from microusmp.frame import *
from microusmp.sockets import Connection
from network import ends

ID, PSK = bytes(6), bytes(range(32))


def connection_of(client, sock):
    """A Connection whose session is there already."""
    connection = Connection.__new__(Connection)
    connection.client, connection._socket = client, sock
    connection._clock = Clock()
    client._accepted_at = client._sent_at = connection._clock.now()
    connection._poll = select.poll()
    connection._poll.register(sock, select.POLLIN)
    connection._writable = select.poll()
    connection._writable.register(sock, select.POLLOUT)
    return connection


def connections(kind):
    socks = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM if kind is DatagramClient else socket.SOCK_STREAM)
    return [connection_of(client, sock) for client, sock in zip(ends(kind), socks)]


def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def code_of(call, *args):
    try:
        call(*args)
    except UsmpError as error:
        return error.code
    return None


def test_a_look_without_waiting_sees_what_is_there():
    for kind in (Client, DatagramClient):
        one, other = connections(kind)
        one.send(b"hello")
        assert other.receive(0) == b"hello"
        assert other.receive(0) is None


def test_who_only_sends_answers_pings():
    one, other = connections(Client)
    one.client.ping(one._clock.now())
    one._flush()
    other.send(b"x")
    assert one.receive(1000) == b"x" and one.client.pings_open == 0


def test_datagrams_bring_acknowledgements_while_messages_wait():
    one, other = connections(DatagramClient)
    thread = in_thread(lambda: [one.send(bytes([number])) for number in range(16)] + [one.receive(5000)])
    while not other.client.full():
        other._run(20, lambda: False)
    begun = other._clock.now()
    other.send(b"back")
    assert other._run(3000, lambda: not other.client._under_way) and other._clock.now() - begun < 3000
    thread.join(5)


def test_a_full_stream_waits_without_computing():
    one, other = connections(Client)
    for number in range(16):
        one.send(b"")
    other._run(100, other.client.full)
    looks = []
    now = other._clock.now
    other._clock.now = lambda: looks.append(1) or now()
    assert other.ping(200) is None and len(looks) < 50, len(looks)


def test_an_error_of_a_datagram_ends_nothing():
    class Refusing:
        def __init__(self, sock):
            self.sock = sock

        def send(self, data):
            raise OSError(111)

        def recv(self, size):
            return self.sock.recv(size)

    one, other = connections(DatagramClient)
    real = one._socket
    one._socket = Refusing(real)
    one.send(b"x")
    one._socket = real
    in_thread(lambda: one._run(3000, lambda: not one.client._under_way))
    assert other.receive(3000) == b"x"


def test_a_stream_that_breaks_ends_with_a_code_and_is_closed():
    one, other = connections(Client)
    other._socket.close()
    assert code_of(one.send, b"x") in ("TRUNCATED", "TRANSPORT_FAILED")
    one, other = connections(Client)
    other._socket.close()
    one.close()
    assert one._socket.fileno() == -1


def test_a_peer_that_takes_nothing_does_not_hold_up_a_sender_for_ever():
    limit = microusmp.sockets._MAX_WRITE
    microusmp.sockets._MAX_WRITE = 200
    one, other = connections(Client)
    codes = []
    sender = in_thread(lambda: codes.append(code_of(lambda: [one.send(bytes(1808)) for _ in range(2000)])))
    sender.join(8)
    assert codes == ["TRANSPORT_FAILED"], codes
    one.close()
    microusmp.sockets._MAX_WRITE = limit


def listener(work):
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server.accept()[0] as peer:
            work(peer)
        server.close()

    in_thread(serve)
    return server.getsockname()[1]


def endless(peer):
    try:
        while True:
            peer.sendall(encode(ERROR, 0, bytes(3)) * 100)
    except OSError:
        pass


def quick_steps(call):
    step = microusmp.client._STEP
    microusmp.client._STEP = 300
    try:
        return call()
    finally:
        microusmp.client._STEP = step


def test_who_sends_without_end_does_not_stop_the_handshake_timer():
    assert quick_steps(lambda: code_of(Connection, "127.0.0.1", listener(endless), ID, PSK)) == "HANDSHAKE_TIMEOUT"
    open_aio = lambda: asyncio.run(asyncio.wait_for(aio.connect("127.0.0.1", listener(endless), ID, PSK), 10))
    assert quick_steps(lambda: code_of(open_aio)) == "HANDSHAKE_TIMEOUT"


def test_a_connection_that_is_refused_its_key_is_closed():
    ended = threading.Event()
    port = listener(lambda peer: peer.recv(1) == b"" and ended.set())

    async def main():
        try:
            await aio.connect("127.0.0.1", port, ID, b"short")
        except UsmpError as error:
            assert error.code == "WEAK_PSK"
        assert await asyncio.to_thread(ended.wait, 3)

    asyncio.run(main())


def with_aio(work):
    """Runs work(session, peer): a session over asyncio, and the other end of it."""

    async def main():
        mine, theirs = socket.socketpair()
        one, other = ends(Client)
        peer = connection_of(other, theirs)
        reader, writer = await asyncio.open_connection(sock=mine)
        session = aio.Connection(reader, writer, one, Clock())
        one._accepted_at = one._sent_at = session._clock.now()
        await work(session, peer)
        peer._socket.close()

    asyncio.run(main())


def test_asyncio_reads_before_it_judges_the_time():
    async def work(session, peer):
        peer.send(b"late")
        await asyncio.sleep(0.05)
        session.client._accepted_at -= 61_000
        session.client._sent_at -= 61_000
        assert await session.receive() == b"late"

    with_aio(work)


def test_asyncio_closes_what_is_broken():
    async def work(session, peer):
        peer._socket.close()
        await asyncio.sleep(0.05)
        assert await session.close() is None and session._writer.transport.get_extra_info("socket").fileno() == -1

    with_aio(work)


def test_asyncio_does_not_wait_for_a_peer_that_takes_nothing():
    close = aio._CLOSE
    aio._CLOSE = 0.2

    async def work(session, peer):
        session._writer.write(bytes(10_000_000))
        await asyncio.wait_for(session.close(), 3)

    with_aio(work)
    aio._CLOSE = close


if __name__ == "__main__":
    cases = [case for name, case in sorted(globals().items()) if name.startswith("test_")]
    for case in cases:
        case()
    print(len(cases), "passed")
