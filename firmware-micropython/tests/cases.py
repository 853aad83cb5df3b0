# What the vectors cannot say: time, repeats, loss, and what the other end grows. Plain functions, which CPython and MicroPython run.
from microusmp.client import Client
from microusmp.crypto import hkdf
from microusmp.datagram import DatagramClient
from microusmp.frame import *
from network import ONE, OTHER, SESSION, Network, Random, ends


def taken(end):
    out = []
    while True:
        message = end.message()
        if message is None:
            return out
        out.append(message)


def refused(code, call, *args):
    try:
        call(*args)
    except UsmpError as error:
        assert error.code == code, error.code
        return
    raise AssertionError("not refused: " + code)


def test_messages_of_every_size_over_a_stream():
    one, other = pair = ends(Client)
    network = Network(pair, delay=1)
    for size in (0, 1, 452, 453, 904, 905, 1808):
        message = bytes([size & 255]) * size
        one.send(message, network.now)
        got = []
        network.run_until(lambda: got.extend(taken(other)) or got)
        assert got == [message]
    refused("MESSAGE_TOO_LARGE", one.send, bytes(1809), network.now)


def test_what_is_cut_anywhere_is_the_same():
    for cut in (1, 7, 100):
        one, other = ends(Client)
        one.send(b"abc" * 300, 0)
        data = b""
        while True:
            more = one.poll()
            if more is None:
                break
            data += more
        for at in range(0, len(data), cut):
            other.receive(data[at : at + cut], 0)
        assert taken(other) == [b"abc" * 300]


def lossy(seed):
    pair = ends(DatagramClient)
    network = Network(pair, seed, loss=25, repeat=20, delay=150)
    sent, got = [[], []], [[], []]
    for number in range(12):
        for side in (0, 1):
            size = network.random.below(1809) if number % 3 == 0 else network.random.below(60)
            message = bytes([number, side]) + bytes(size)[: 1806]
            network.run_until(lambda: not pair[side].busy())
            pair[side].send(message, network.now)
            sent[side].append(message)

    def all_there():
        for side in (0, 1):
            got[1 - side].extend(taken(pair[side]))
        return len(got[0]) == 12 and len(got[1]) == 12

    network.run_until(all_there)
    assert got == sent, "order, or content"
    pair[0].close(network.now)
    network.run_until(lambda: pair[0].reason and pair[1].reason)
    assert pair[0].reason == pair[1].reason == "CLOSED"


def test_loss_repeats_and_delays_change_nothing():
    for seed in range(1, 9):
        lossy(seed)


def test_a_silent_peer_ends_a_datagram_session():
    one, _ = pair = ends(DatagramClient)
    network = Network(pair, loss=100)
    one.send(b"anybody?", 0)
    network.run_until(lambda: one.reason)
    assert one.reason == "TRANSPORT_FAILED" and 30_000 <= network.now <= 40_000


def test_an_idle_stream_is_kept_alive_and_a_dead_one_ends():
    one, other = pair = ends(Client)
    network = Network(pair, delay=1)
    network.run_until(lambda: network.now > 300_000)
    assert one.state() == other.state() == "open"
    network.loss = 100
    begun = network.now
    network.run_until(lambda: one.reason)
    assert one.reason == "IDLE_TIMEOUT" and 39_000 < network.now - begun < 61_000


def test_nothing_moves_for_what_is_forged():
    one, other = ends(DatagramClient)
    one.send(b"true", 0)
    good = one.poll()
    random = Random(3)
    for _ in range(200):
        bad = bytearray(good)
        bad[random.below(len(bad))] ^= 1 << random.below(8)
        other.receive(bytes(bad), 0)
        assert other.poll() is None and taken(other) == []
    other.receive(good, 0)
    assert taken(other) == [b"true"]
    other.poll()
    # Again: acknowledged again, and not delivered.
    other.receive(good, 0)
    assert other.poll() is not None and taken(other) == []


def test_a_forged_acknowledgement_stops_no_repeat():
    one, _ = ends(DatagramClient)
    one.send(b"x", 0)
    one.poll()
    one.receive(b"\xac\xac\x05\0\0\0\0", 1)
    one.receive(b"\xac\xac\x05\0\0\0\0" + bytes(8), 1)
    one.tick(one.deadline())
    assert one.poll() is not None


def test_a_flood_of_pings_ends_the_session_and_pongs_are_bounded():
    for kind in (Client, DatagramClient):
        one, other = ends(kind)
        pongs = 0
        for number in range(600):
            one._seal([(PING, b"")], 0)
            while True:
                data = one.poll()
                if data is None:
                    break
                other.receive(data, 0)
            while other.poll() is not None:
                pongs += 1
            one._under_way = None
            if other.reason:
                break
        assert other.reason == "FLOOD" and number == 512, (other.reason, number)
        assert kind is DatagramClient or pongs == 8


def test_messages_that_nobody_takes_are_bounded():
    one, other = pair = ends(DatagramClient)
    network = Network(pair)
    for number in range(16):
        one.send(bytes([number]), network.now)
    network.run_until(other.full)
    one.send(b"late", network.now)
    begun = network.now
    network.run_until(lambda: network.now > begun + 20_000)
    assert len(other._messages) == 16 and one.state() == "open"
    assert len(taken(other)) == 16
    network.run_until(lambda: other._messages)
    assert taken(other) == [b"late"]


def drain(end):
    out = []
    while True:
        data = end.poll()
        if data is None:
            return out
        out.append(data)


def test_a_rekey_between_the_pieces_of_a_message_leaves_it_whole():
    one, other = pair = ends(DatagramClient)
    network = Network(pair)
    one.send(bytes(1000), 0)
    one.send(b"next", 0)
    first = drain(one)
    # The peer rekeys while the first piece is under way, and goes on under its new key when that was acknowledged.
    salt = bytes(range(32))
    other._seal([(REKEY, salt)], 0)
    old = other._epochs[0]
    one.receive(drain(other)[0], 0)
    keys = hkdf(old.tx + old.rx, salt, b"usmp-rekey" + SESSION)
    other._epochs.append(other.Epoch(keys[32:], keys[:32]))
    other._next_tx = keys[:32]
    assert [frame[:2] for frame in drain(one)] == [b"\xac\xac"]
    other._under_way = None
    other.receive(first[0], 0)
    got = []
    network.run_until(lambda: got.extend(taken(other)) or len(got) == 2)
    assert got == [bytes(1000), b"next"] and not other.dropped, other.dropped
    assert other._epochs == [other._epochs[-1]] and one._tx == keys[32:]
    other.send(b"back", network.now)
    network.run_until(lambda: one._messages)
    assert taken(one) == [b"back"]


def test_a_lost_pong_is_not_waited_for_with_the_next_ping():
    one, other = ends(DatagramClient)
    one.ping(0)
    for data in drain(one):
        other.receive(data, 0)
    # The acknowledgement arrives, the PONG never does.
    one.receive([data for data in drain(other) if len(data) == 15][0], 0)
    one.ping(5000)
    assert one.pings_open == 1


def test_a_buffer_that_is_used_again_changes_no_message():
    one, other = pair = ends(DatagramClient)
    network = Network(pair)
    buffer = bytearray(b"first")
    for text in (b"first", b"later"):
        buffer[:] = text
        one.send(buffer, 0)
    buffer[:] = b"xxxxx"
    got = []
    network.run_until(lambda: got.extend(taken(other)) or len(got) == 2)
    assert got == [b"first", b"later"]


def test_what_is_no_message_costs_no_number():
    for kind in (Client, DatagramClient):
        one, other = ends(kind)
        for wrong in ("text", 5, None):
            try:
                one.send(wrong, 0)
            except TypeError:
                continue
            raise AssertionError("not refused")
        one.send(b"good", 0)
        for data in drain(one):
            other.receive(data, 0)
        assert taken(other) == [b"good"] and other.reason is None


def test_a_message_that_was_taken_is_acknowledged_again_while_others_wait():
    one, other = pair = ends(DatagramClient)
    network = Network(pair)
    for number in range(15):
        one.send(bytes([number]), 0)
    network.run_until(lambda: len(other._messages) == 15)
    one.receive(drain(other)[0], network.now) if other._out else None
    network.run_until(lambda: not one._under_way)
    one.send(b"last", network.now)
    frame = drain(one)[0]
    for _ in range(2):
        other.receive(frame, network.now)
        assert other.full() and len(drain(other)) == 1


def test_a_full_stream_has_no_deadline_in_the_past():
    one, other = ends(Client)
    for number in range(16):
        one.send(b"", 0)
    for data in drain(one):
        other.receive(data, 0)
    assert other.full()
    for now in range(0, 200_000, 20_000):
        other.tick(now)
        assert other.deadline() > now


def test_keys_are_gone_after_the_end():
    for kind in (Client, DatagramClient):
        end = kind(bytes(6), bytes(range(32)), bytes, 0)
        end.close(0)
        assert end.reason == "ABORTED" and end._psk is None and end._private is None
        one, _ = ends(kind)
        one._end("CLOSED")
        assert one._epochs == [] and one._tx is None
        refused("CLOSED", one.send, b"", 0)


def test_a_handshake_that_nobody_answers_ends():
    for kind in (Client, DatagramClient):
        end = kind(bytes(6), bytes(range(32)), bytes, 1000)
        hellos = 0
        while end.state() == "handshake":
            while end.poll() is not None:
                hellos += 1
            end.tick(end.deadline())
        assert end.reason == "HANDSHAKE_TIMEOUT"
        assert hellos == 1 if kind is Client else 5 <= hellos <= 7, hellos


def test_what_is_no_key_and_no_id():
    refused("WEAK_PSK", Client, bytes(6), bytes(15), bytes, 0)
    refused("INVALID_ARGUMENT", Client, bytes(5), bytes(16), bytes, 0)


def run():
    """Runs all; returns how many."""
    count = 0
    for name, case in sorted(globals().items()):
        if name.startswith("test_"):
            case()
            count += 1
    return count


if __name__ == "__main__":
    print(run(), "passed")
