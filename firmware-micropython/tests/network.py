# Two ends that were given the keys of a session, and a network between them in simulated time.
from microusmp.client import Client
from microusmp.datagram import DatagramClient

SESSION = bytes(range(16))
ONE, OTHER = bytes(range(32)), bytes(range(32, 64))


class Random:
    """Numbers that are the same in each run, also on MicroPython."""

    def __init__(self, seed):
        self._state = seed * 2654435761 % 2**32 or 1

    def below(self, n):
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x % n


def ends(kind):
    pair = []
    for rx, tx in ((ONE, OTHER), (OTHER, ONE)):
        end = kind(bytes(6), bytes(range(32)), bytes, 0)
        while end.poll() is not None:
            pass
        end.open(SESSION, rx, tx, 0)
        pair.append(end)
    return pair


class Network:
    """Carries what the two ends send; loses, repeats and delays datagrams by chance, in percent."""

    def __init__(self, pair, seed=1, loss=0, repeat=0, delay=20):
        self.pair = pair
        self.now = 0
        self.random = Random(seed)
        self.loss, self.repeat, self.delay = loss, repeat, delay
        self.carried = 0
        self._flying = []
        self._count = 0

    def _collect(self):
        for number, end in enumerate(self.pair):
            while True:
                data = end.poll()
                if data is None:
                    break
                self.carried += 1
                for _ in range(2 if self.random.below(100) < self.repeat else 1):
                    if self.random.below(100) >= self.loss:
                        at = self.now + 1 + self.random.below(self.delay)
                        self._count += 1
                        self._flying.append((at, self._count, 1 - number, data))

    def step(self):
        """Goes on to the next thing that happens."""
        self._collect()
        times = [at for at, _, _, _ in self._flying]
        times += [end.deadline() for end in self.pair if end.deadline() is not None]
        self.now = max(self.now, min(times))
        due = sorted([one for one in self._flying if one[0] <= self.now])
        self._flying = [one for one in self._flying if one[0] > self.now]
        for _, _, to, data in due:
            self.pair[to].receive(data, self.now)
        for end in self.pair:
            if end.deadline() is not None and end.deadline() <= self.now:
                end.tick(self.now)
        self._collect()

    def run_until(self, done, limit=3_600_000):
        while not done():
            assert self.now < limit, "it never happens"
            self.step()
