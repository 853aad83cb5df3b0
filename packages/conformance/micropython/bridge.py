# A client in MicroPython, led from outside by hex digits: MicroPython in WebAssembly has no sockets, so Node carries the bytes.
from microusmp.client import Client
from microusmp.datagram import DatagramClient
from microusmp.frame import UsmpError

client = None


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def tohex(data):
    return "".join(["%02x" % byte for byte in data])


def begin(kind, device_id, psk, random, now):
    global client
    client = {"tcp": Client, "udp": DatagramClient}[kind](unhex(device_id), unhex(psk), lambda n: unhex(random)[:n], now)


def receive(data, now):
    client.receive(unhex(data), now)


def send(message, now):
    client.send(unhex(message), now)


def lost():
    client.lost()


def tick(now):
    client.tick(now)


def ping(now):
    client.ping(now)


def close(now):
    client.close(now)


def poll():
    data = client.poll()
    return "" if data is None else tohex(data)


def message():
    data = client.message()
    return "-" if data is None else tohex(data)


def deadline():
    at = client.deadline()
    return -1 if at is None else at


def state():
    return client.reason or client.state()


def session_id():
    return tohex(client.session_id)


def pings_open():
    return client.pings_open
