#!/usr/bin/env python3
"""The C side of discovery on one of two hosts with a cable between them: which ways its queries take, and by which ways it hears.

usage: unshare --map-root-user --net python3 two_hosts.py PATH_OF_USMP_DISCOVERY_PEER

The other host is a network namespace, and this program. Prints what was seen; what must have been is for the test to say.
"""

import os
import select
import socket
import subprocess
import sys
import time

PEER = sys.argv[1]
GROUP = "239.255.85.77"
PORT = 9001
WAIT_S = 10


def run(*command):
    subprocess.run(command, check=True)


def query(role):
    return b"USMPQ\1" + os.urandom(8) + bytes([role]) + bytes(113)


class OtherHost:
    """A namespace with the far end of the cable."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        here = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == here:
            time.sleep(0.01)
        run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.holder.pid))

    def command(self, *command):
        return ["nsenter", "--target", str(self.holder.pid), "--net", *command]

    def address(self, change, address):
        run(*self.command("ip", "addr", change, address, "dev", "far"))

    def start(self, *args):
        program = subprocess.Popen(self.command(PEER, *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return program

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()


def listener(own):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: where a datagram was sent to
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(own))
    s.bind(("", PORT))
    return s


def ways_of_queries(s, enough):
    """Where queries went to, until there are `enough` ways."""
    seen = set()
    end = time.monotonic() + WAIT_S
    while len(seen) < enough and select.select([s], [], [], max(0, end - time.monotonic()))[0]:
        data, extra, _, (sender, _) = s.recvmsg(300, 100)
        seen |= {(socket.inet_ntoa(info[8:12]), sender, len(data)) for _, _, info in extra}
    for to, sender, size in sorted(seen):
        print(f"query to {to} from {sender} of {size} bytes")


def ask(own, to, role=1):
    """Who answers a query; it is repeated, as the host may just be joining the group."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    for _ in range(2 * WAIT_S):
        s.sendto(query(role), (to, PORT))
        if select.select([s], [], [], 0.5)[0]:
            return s.recvfrom(200)[1][0]
    return "nobody"


def main():
    other = OtherHost()
    run("ip", "addr", "add", "10.9.0.1/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    other.address("add", "10.9.0.2/24")
    run(*other.command("ip", "link", "set", "far", "up"))

    s = listener("10.9.0.1")
    searching = other.start("search", "gateway")
    ways_of_queries(s, 2)
    s.close()
    searching.communicate()

    found = other.start("announce", "gateway", "--carrier", "tcp:9000", "--site", "home")
    found.stdout.readline()
    for to in ("10.9.0.255", GROUP, "10.9.0.2"):
        print(f"asked {to}: {ask('10.9.0.1', to)}")
    run("ip", "addr", "add", "10.8.0.1/24", "dev", "near")
    other.address("del", "10.9.0.2/24")
    other.address("add", "10.8.0.2/24")
    print(f"after a change of address, asked {GROUP}: {ask('10.8.0.1', GROUP)}")
    found.communicate()
    other.close()


main()
