"""Sends UDP datagrams with forged source addresses to 127.0.0.1. Usage: spoof.py PORT PAUSE [SOURCE_PORT,...] <hex lines

With source ports: from 127.0.0.1 and one of them. Without: from random addresses and ports of 10.0.0.0/8.
Pauses so many seconds after each 500, and prints how many were sent, until nobody listens. Needs the right to open raw sockets: run it in a network namespace.
"""
import random
import socket
import struct
import sys
import time

AT_ONCE = 500

port = int(sys.argv[1])
pause = float(sys.argv[2])
sources = [int(text) for text in sys.argv[3].split(",") if text] if len(sys.argv) > 3 else []
datagrams = [bytes.fromhex(line) for line in sys.stdin]
target = socket.inet_aton("127.0.0.1")
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
sent = 0
while True:
    for _ in range(AT_ONCE):
        datagram = random.choice(datagrams)
        if sources:
            source, source_port = target, random.choice(sources)
        else:
            source = struct.pack(">I", 0x0A000000 | random.getrandbits(24))
            source_port = random.randrange(1024, 65536)
        size = 28 + len(datagram)
        # The system fills in the length and checksum of IP; a UDP checksum of 0 means none.
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, socket.IPPROTO_UDP, 0, source, target)
        udp = struct.pack(">HHHH", source_port, port, 8 + len(datagram), 0)
        try:
            out.sendto(ip + udp + datagram, ("127.0.0.1", 0))
            sent += 1
        except OSError:
            pass  # The system's buffers are full.
    try:
        print(sent, flush=True)
    except BrokenPipeError:
        # The program that wanted it has ended; so that Python does not complain about what was not written.
        sys.stdout = None
        break
    time.sleep(pause)
