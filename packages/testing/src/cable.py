# SPDX-License-Identifier: Apache-2.0
"""A cable between two new pseudo-terminals, reachable by the two names given; it is unplugged by killing this program,
or by the end of its standard input.

usage: cable.py NEAR FAR

Each direction has its own buffer, so that one that is full does not hold up the other.
"""

import os
import pty
import select
import sys
import tty

BUFFER = 4096

# The terminals stay open here, so that a port that is closed is not the end of the cable.
near, near_terminal = pty.openpty()
far, far_terminal = pty.openpty()
for end, terminal, name in ((near, near_terminal, sys.argv[1]), (far, far_terminal, sys.argv[2])):
    tty.setraw(terminal)
    os.set_blocking(end, False)
    os.symlink(os.ttyname(terminal), name)

other = {near: far, far: near}
waiting = {near: b"", far: b""}
while True:
    sources = [end for end in other if len(waiting[other[end]]) < BUFFER]
    sinks = [end for end in other if waiting[end]]
    readable, writable, _ = select.select([sys.stdin, *sources], sinks, [])
    if sys.stdin in readable:
        break
    for end in readable:
        waiting[other[end]] += os.read(end, BUFFER)
    for end in writable:
        waiting[end] = waiting[end][os.write(end, waiting[end]) :]
