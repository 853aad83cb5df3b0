# SPDX-License-Identifier: Apache-2.0
"""Both ends of the published Python package in one process. Reads "TASK COUNT" lines, answers with µs for one.

The first line it prints is the release of the package. The end of standard input ends it.
"""

import asyncio
import itertools
import logging
import os
import socket
import statistics
import sys
import time

import usmp
from usmp import USMPClient, USMPServer

HOST = "127.0.0.1"
PSK = os.urandom(32)
AT_ONCE = 16
WINDOW = 256
ids = itertools.count()


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Pair:
    def __init__(self, size):
        self.message = bytes(size)
        self.missing = 0
        self.arrived = asyncio.Event()

    async def start(self):
        self.echo_port = await self.serve(self.echo_session)
        self.sink_port = await self.serve(self.sink_session)
        self.echoing = await self.dial(self.echo_port)
        self.sinking = await self.dial(self.sink_port)

    async def serve(self, handler):
        port = free_port()
        server = USMPServer(HOST, port, PSK, max_connections=10_000, max_connections_per_ip=10_000)
        server.on_session(handler)
        asyncio.create_task(server.serve())
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                return port
            except ConnectionError:
                await asyncio.sleep(0.01)

    async def dial(self, port):
        client = USMPClient(HOST, port, PSK, next(ids).to_bytes(6, "big"))
        await client.connect()
        return client

    async def echo_session(self, session):
        while True:
            await session.send(await session.recv())

    async def sink_session(self, session):
        while True:
            await session.recv()
            self.missing -= 1
            if self.missing == 0:
                self.arrived.set()

    async def visit(self):
        client = await self.dial(self.echo_port)
        await client.send(b"z")
        await client.recv()
        return client

    async def visits_in_turn(self, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            client = await self.visit()
            times.append(time.perf_counter() - start)
            await client.disconnect()
        return statistics.median(times)

    async def visits_at_once(self, count):
        left = iter(range(count))

        async def worker():
            for _ in left:
                await (await self.visit()).disconnect()

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        return (time.perf_counter() - start) / count

    async def pour(self, count):
        self.missing = count
        self.arrived.clear()
        start = time.perf_counter()
        for _ in range(count):
            await self.sinking.send(self.message)
        await self.arrived.wait()
        return (time.perf_counter() - start) / count

    async def echo(self, count):
        start = time.perf_counter()
        sent = min(count, WINDOW)
        for _ in range(sent):
            await self.echoing.send(self.message)
        for _ in range(count):
            await self.echoing.recv()
            if sent < count:
                sent += 1
                await self.echoing.send(self.message)
        return (time.perf_counter() - start) / count

    async def round_trip(self, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            await self.echoing.send(self.message)
            await self.echoing.recv()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


async def main():
    logging.disable()
    pair = Pair(int(sys.argv[1]))
    await pair.start()
    tasks = {
        "visit": pair.visits_in_turn,
        "visit-at-once": pair.visits_at_once,
        "pour": pair.pour,
        "echo": pair.echo,
        "round-trip": pair.round_trip,
    }
    print(usmp.__version__, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task, count = line.split()
        print(await tasks[task](int(count)) * 1e6, flush=True)
    # What is open has served its purpose; an orderly end would wait for the peers of every session.
    os._exit(0)


asyncio.run(main())
