# Milliseconds that never step, on MicroPython and CPython.
import time

try:
    from time import ticks_diff, ticks_ms

    class Clock:
        """`ticks_ms` begins again after some days; this does not."""

        def __init__(self):
            self._ticks = ticks_ms()
            self._now = 0

        def now(self):
            ticks = ticks_ms()
            self._now += ticks_diff(ticks, self._ticks)
            self._ticks = ticks
            return self._now

except ImportError:

    class Clock:
        def now(self):
            return time.monotonic_ns() // 1000000
