import { type PythonTask, startPythonPair } from '../contestants/python.js'
import {
  tcp,
  tcpCoalesced,
  tcpWithCipher,
  tcpWithPrimitives,
  tls12Psk,
  tls13Psk,
  tls13PskCoalesced,
} from '../contestants/sockets.js'
import type { Stack, StackOpener } from '../contestants/stack.js'
import { usmp } from '../contestants/usmp-tcp.js'
import { type Contestant, meanAtOnce, medianOf } from '../interleave.js'
import type { Bench } from './bench.js'

/** The interpreter of an environment with the published Python package; without it that contestant stays away. */
const python = process.env.USMP_PYTHON

const AT_ONCE = 16
const WINDOW = 256
const HANDSHAKE_TARGET = 0.75
/** The round trip takes at most 1.5 times that of bare TCP. */
const ROUND_TRIP_TARGET = 1 / 1.5

const usmpAes = usmp('node:crypto', 'AES-256-GCM')
const usmpChaCha = usmp('node:crypto', 'ChaCha20-Poly1305')
const usmpNoble = usmp('noble', 'ChaCha20-Poly1305')
/** Those that the targets are set for. */
const aiming: ReadonlySet<StackOpener> = new Set([usmpAes, usmpChaCha])
const handshakeStacks = [tcpWithPrimitives, tcp, usmpAes, usmpNoble, tls13Psk, tls12Psk]
const messageStacks = [tcpWithCipher, tcpCoalesced, tcp, usmpAes, usmpChaCha, usmpNoble, tls13PskCoalesced, tls13Psk]
const roundTripStacks = [tcp, usmpAes, usmpChaCha, usmpNoble, tls13Psk]

type Measurement = (stack: Stack) => Contestant['measure']

/** A table of one thing that all stacks can do; the first stack is the limit. */
function tcpBench(
  texts: Pick<Bench, 'id' | 'title' | 'about'>,
  size: number,
  openers: readonly StackOpener[],
  measurement: Measurement,
  task: PythonTask,
  target?: number,
): Bench {
  return {
    ...texts,
    unit: 'µs',
    async contestants(atEnd) {
      const stacks: Stack[] = []
      for (const open of openers) stacks.push(await open(size, atEnd))
      const limit = stacks[0]!.name
      const contestants = stacks.map(({ name }, i): Contestant => {
        const measure = measurement(stacks[i]!)
        if (i === 0) return { name, measure }
        return { name, measure, limit, ...(target && aiming.has(openers[i]!) ? { target } : {}) }
      })
      if (!python) return contestants
      const pair = await startPythonPair(python, size, atEnd)
      const measure = (count: number) => pair.measure(task, count)
      return [...contestants, { name: `published Python ${pair.version}`, limit, measure }]
    },
  }
}

const CLOSE = (close: () => Promise<void>) => close()

export const tcpBenches: readonly Bench[] = [
  tcpBench(
    {
      id: 'handshake-tcp',
      title: 'Handshakes over TCP, one after another',
      about:
        'Connect, handshake, one byte there and back: the median of one at a time. Both ends in this process, on the ' +
        'loopback interface. The limit is a bare connection with the cryptography of both ends of a USMP handshake.',
    },
    1,
    handshakeStacks,
    (stack) => medianOf(() => stack.visit(), CLOSE),
    'visit',
    HANDSHAKE_TARGET,
  ),
  tcpBench(
    {
      id: 'handshake-tcp-16',
      title: `Handshakes over TCP, ${AT_ONCE} at once`,
      about: 'The same, and closing; the time of one is the time of all divided by their number.',
    },
    1,
    handshakeStacks,
    (stack) => meanAtOnce(AT_ONCE, () => stack.visit(), CLOSE),
    'visit-at-once',
    HANDSHAKE_TARGET,
  ),
  tcpBench(
    {
      id: 'one-way-452',
      title: 'Messages of 452 bytes over TCP, one way',
      about:
        'Until the last one has arrived; both ends in this process. TCP and TLS write every message by itself, or many ' +
        'in one write (coalesced); then TLS also seals many messages as one record, while USMP seals each. The limit is ' +
        'coalesced TCP, with every message sealed and opened once by the bare cipher of node:crypto.',
    },
    452,
    messageStacks,
    (stack) => timed((count) => stack.pour(count)),
    'pour',
  ),
  tcpBench(
    {
      id: 'echo-452',
      title: `Messages of 452 bytes over TCP, there and back, ${WINDOW} under way`,
      about: 'As above, and every message comes back, so it is sealed and opened twice, by the limit too.',
    },
    452,
    messageStacks,
    (stack) => timed((count) => stack.echo(count, WINDOW)),
    'echo',
  ),
  tcpBench(
    {
      id: 'round-trip-452',
      title: 'Round trip of a message of 452 bytes over TCP',
      about: 'The median of one message at a time, there and back.',
    },
    452,
    roundTripStacks,
    (stack) =>
      medianOf(
        () => stack.echo(1, 1),
        async () => {},
      ),
    'round-trip',
    ROUND_TRIP_TARGET,
  ),
]

/** The mean µs of one of `count` that are done together. */
function timed(work: (count: number) => Promise<void>): Contestant['measure'] {
  return async (count) => {
    const start = performance.now()
    await work(count)
    return ((performance.now() - start) * 1000) / count
  }
}
