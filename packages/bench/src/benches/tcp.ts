import { libp2pNoise } from '../contestants/libp2p-noise.js'
import { type PythonTask, startPythonPair } from '../contestants/python.js'
import { udp } from '../contestants/raw-udp.js'
import {
  tcp,
  tcpCoalesced,
  tcpWithCipher,
  tcpWithPrimitives,
  tls12Psk,
  tls13Ecdsa,
  tls13Psk,
  tls13PskCoalesced,
  tls13Resumed,
} from '../contestants/sockets.js'
import type { Stack, StackOpener, Visitor } from '../contestants/stack.js'
import { usmp } from '../contestants/usmp-tcp.js'
import { ws, wss } from '../contestants/websockets.js'
import { type Contestant, meanAtOnce, medianOf, quantileOf } from '../interleave.js'
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
const aiming: ReadonlySet<StackOpener<Visitor>> = new Set([usmpAes, usmpChaCha])
const overTls = [tls13Psk, tls12Psk, tls13Ecdsa, tls13Resumed]
const handshakeStacks: readonly StackOpener<Visitor>[] = [
  tcpWithPrimitives,
  tcp,
  usmpAes,
  usmpNoble,
  ...overTls,
  libp2pNoise,
]
const keepingApart = [usmpAes, usmpChaCha, usmpNoble, ws, wss]
const messageStacks = [tcpWithCipher, tcpCoalesced, tcp, ...keepingApart, tls13PskCoalesced, tls13Psk]
const roundTripStacks = [tcp, ...keepingApart, tls13Psk]
const datagramStacks = [udp, usmp('node:crypto', 'AES-256-GCM', 'udp'), usmp('node:crypto', 'ChaCha20-Poly1305', 'udp')]
/** Messages that a session has under way on datagrams, unless it is told otherwise. */
const DATAGRAM_WINDOW = 8
const SIZES = [16, 64, 452, 1808]
/** Many tables, and in each turn many messages. */
const MESSAGE_ROUNDS = 11

type Measurement<S extends Visitor> = (stack: S) => Contestant['measure']

/** A table of one thing that all stacks can do; the first stack is the limit. */
function tcpBench<S extends Visitor = Stack>(
  texts: Pick<Bench, 'id' | 'title' | 'about' | 'rounds'>,
  size: number,
  openers: readonly StackOpener<S>[],
  measurement: Measurement<S>,
  task: PythonTask | undefined,
  target?: number,
): Bench {
  return {
    ...texts,
    unit: 'µs',
    async contestants(atEnd) {
      const stacks: S[] = []
      for (const open of openers) stacks.push(await open(size, atEnd))
      const limit = stacks[0]!.name
      const contestants = stacks.map(({ name }, i): Contestant => {
        const measure = measurement(stacks[i]!)
        if (i === 0) return { name, measure }
        return { name, measure, limit, ...(target && aiming.has(openers[i]!) ? { target } : {}) }
      })
      if (!python || !task) return contestants
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
        'loopback interface. The limit is a bare connection with the cryptography of both ends of a USMP handshake. Noise ' +
        'of libp2p is its encrypter alone on a socket, without the negotiation of protocols around it.',
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
  ...SIZES.flatMap((size) => [
    tcpBench(
      {
        id: `one-way-${size}`,
        title: `Messages of ${size} bytes over TCP, one way`,
        rounds: MESSAGE_ROUNDS,
        about:
          'Until the last one has arrived; both ends in this process. TCP and TLS write every message by itself, or many ' +
          'in one write (coalesced); then TLS also seals many messages as one record, while USMP seals each. The limit is ' +
          'coalesced TCP, with every message sealed and opened once by the bare cipher of node:crypto.',
      },
      size,
      messageStacks,
      (stack) => timed((count) => stack.pour(count)),
      'pour',
    ),
    tcpBench(
      {
        id: `echo-${size}`,
        title: `Messages of ${size} bytes over TCP, there and back, ${WINDOW} under way`,
        rounds: MESSAGE_ROUNDS,
        about: 'As above, and every message comes back, so it is sealed and opened twice, by the limit too.',
      },
      size,
      messageStacks,
      (stack) => timed((count) => stack.echo(count, WINDOW)),
      'echo',
    ),
  ]),
  tcpBench(
    {
      id: 'cpu-452',
      title: `Processor time of a message of 452 bytes over TCP, there and back, ${WINDOW} under way`,
      rounds: MESSAGE_ROUNDS,
      about: 'What this process used, of both ends together, user and system.',
    },
    452,
    messageStacks,
    (stack) => processorTime((count) => stack.echo(count, WINDOW)),
    undefined,
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
  tcpBench(
    {
      id: 'round-trip-452-p99',
      title: 'Round trip of a message of 452 bytes over TCP, the slowest of a hundred',
      about: 'The 99th percentile of one message at a time, there and back.',
    },
    452,
    roundTripStacks,
    (stack) =>
      quantileOf(
        0.99,
        () => stack.echo(1, 1),
        async () => {},
      ),
    undefined,
  ),
  tcpBench(
    {
      id: 'echo-udp-452',
      title: `Messages of 452 bytes over UDP, there and back, ${DATAGRAM_WINDOW} under way`,
      rounds: MESSAGE_ROUNDS,
      about:
        'Bare datagrams carry no acknowledgement; USMP acknowledges each, repeats what is lost, and keeps the order.',
    },
    452,
    datagramStacks,
    (stack) => timed((count) => stack.echo(count, DATAGRAM_WINDOW)),
    undefined,
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

/** The same of processor time; a turn has to be long, as the system counts it coarsely. */
function processorTime(work: (count: number) => Promise<void>): Contestant['measure'] {
  return async (count) => {
    const start = process.cpuUsage()
    await work(count)
    const { user, system } = process.cpuUsage(start)
    return (user + system) / count
  }
}
