import { fc, test } from '@fast-check/vitest'
import {
  bytesOf,
  type Conditions,
  codeThrownBy as codeOf,
  flipBit,
  inOrderOf,
  otherSide,
  Pair,
  type PairOptions,
  recordingProvider,
  type Side,
  simulatedNetwork,
  text,
} from '@usmp/testing'
import { withCrc } from '@usmp/testing/provider-suite'
import { describe, expect, vi } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import { CipherSuite, MAX_MESSAGE } from '../src/constants.ts'

// A hundred sessions each, and a minute of their time in some: nothing waits, but it is much to compute.
vi.setConfig({ testTimeout: 240_000 })

const SIDES = ['client', 'server'] as const
const side = fc.constantFrom<Side>(...SIDES)
const fast = { suite: CipherSuite.CHACHA20_POLY1305 } as const

const share = (most: number) => fc.double({ min: 0, max: most, noNaN: true })
/** A failing case is told with its conditions and seed: that is all it takes to repeat it. */
const conditions = (harm: number): fc.Arbitrary<Conditions> =>
  fc.record({
    delay: fc.integer({ min: 1, max: 150 }),
    jitter: fc.nat({ max: 100 }),
    loss: share(harm),
    duplication: share(harm),
    reordering: share(harm),
    reorderingDelay: fc.nat({ max: 400 }),
    corruption: share(harm / 2),
    rate: fc.constantFrom(20_000, 1_000_000),
  })
const seed = fc.nat()

/** Cookies that are good for one peer; the tests of cookies are elsewhere. */
const cookie = bytesOf(16, 8)
const cookies = { issue: () => cookie, verify: (given: Uint8Array) => toHex(given) === toHex(cookie) }

function lossyPair(given: Conditions, seed: number, options: PairOptions = {}): Pair {
  return new Pair({
    kind: 'datagram',
    network: simulatedNetwork(given, seed),
    seed,
    client: { ...fast, ...options.client },
    server: { cookies, ...options.server },
  })
}

describe('handshake over a bad network', () => {
  test.prop([conditions(0.5), seed], { numRuns: 150 })('succeeds at both ends, or times out', (given, seed) => {
    const pair = settle(lossyPair(given, seed))
    if (pair.client.established) {
      expect(pair.server.established).toBe(true)
      pair.send('client', text('in'))
      pair.wait(60_000)
      if (!pair.reason('client')) expect(pair.messages('server')).toEqual([text('in')])
    } else {
      expect(pair.reason('client')).toBe('HANDSHAKE_TIMEOUT')
    }
  })

  test.prop([fc.integer({ min: 1, max: 150 }), seed], { numRuns: 20 })('succeeds over a good one', (delay, seed) => {
    const pair = lossyPair({ delay }, seed).run(10 * delay)
    expect(pair.client.established && pair.server.established).toBe(true)
  })
})

/** Lets time pass until the client is connected or has failed. */
function settle(pair: Pair): Pair {
  while (!pair.client.established && !pair.reason('client')) pair.wait(100)
  return pair
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      side,
      length: fc.oneof(fc.nat({ max: 452 }), fc.constantFrom(0, 452, 453, 905, 1357, MAX_MESSAGE)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat({ max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rekey' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ping' as const), side }) },
)

/** The n-th message of a side: recognisable, and of the wanted length where that is long enough. */
const messageOf = (from: Side, n: number, size: number) =>
  concatBytes(text(`${from} ${n} `), bytesOf(Math.max(0, Math.min(size, MAX_MESSAGE) - 12), n + 1))

/** Plays the steps; returns what each side has sent. */
function play(pair: Pair, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  const sent: Record<Side, string[]> = { client: [], server: [] }
  for (const now of steps) {
    if (now.do === 'wait') {
      pair.wait(now.ms)
      continue
    }
    if (pair.reason(now.side)) continue
    if (now.do === 'send') {
      const message = messageOf(now.side, sent[now.side].length, now.length)
      pair.send(now.side, message)
      sent[now.side].push(toHex(message))
    } else if (now.do === 'rekey') {
      const refused = codeOf(() => pair.act(now.side, (end) => end.rekey(pair.now)))
      expect(['no error', 'INVALID_ARGUMENT']).toContain(refused)
    } else {
      pair.act(now.side, (end) => end.ping(pair.now))
    }
  }
  return sent
}

const received = (pair: Pair, end: Side) => pair.messages(end).map((message) => toHex(message))

/**
 * What has come out at `end` is the beginning of what was sent. Only where the session is lost, aloud at both ends, may one be
 * missing before others: a receiver goes on without it after 45 s, when its sender has given up (specification, section 7.7).
 */
function expectPart(pair: Pair, end: Side, got: readonly string[], sent: readonly string[]): void {
  const lost = [end, otherSide(end)].every((at) => ['TRANSPORT_FAILED', 'IDLE_TIMEOUT'].includes(pair.reason(at) ?? ''))
  if (lost) expect(inOrderOf(got, sent)).toBe(true)
  else expect(got).toEqual(sent.slice(0, got.length))
}

/** Every way a session may end here. */
const LOUD = ['TRANSPORT_FAILED', 'IDLE_TIMEOUT', undefined]

/** The first of two messages is lost again and again, and the sender, which closes, gives up after 10 s. */
const GIVEN_UP_WHILE_CLOSING: [Conditions, number, { do: 'send'; side: Side; length: number }[], Side] = [
  { delay: 111, jitter: 87, loss: 0.23358136368915441, rate: 20_000 },
  1444232930,
  [
    { do: 'send', side: 'client', length: 453 },
    { do: 'send', side: 'client', length: 453 },
  ],
  'client',
]

describe('session over a bad network', () => {
  test.prop([conditions(0.3), seed, fc.array(step, { maxLength: 60 })], { numRuns: 200 })(
    'delivers all in order and nothing twice, or ends aloud; rekeys from both sides included',
    (given, seed, steps) => {
      const provider = recordingProvider()
      const pair = settle(lossyPair(given, seed, { client: { provider }, server: { provider } }))
      fc.pre(pair.client.established)
      const sent = play(pair, steps)
      pair.wait(100_000)
      for (const end of SIDES) {
        const got = received(pair, end)
        expectPart(pair, end, got, sent[otherSide(end)])
        expect(LOUD).toContain(pair.reason(end))
        if (!pair.reason('client') && !pair.reason('server')) expect(got).toEqual(sent[otherSide(end)])
      }
      expect(provider.sealedTwice).toEqual([])
    },
  )

  test.prop([conditions(0.25), seed, fc.array(step, { maxLength: 30 }), side], {
    numRuns: 100,
    examples: [GIVEN_UP_WHILE_CLOSING],
  })('a BYE comes after everything that was sent before it', (given, seed, steps, closing) => {
    const pair = settle(lossyPair(given, seed))
    fc.pre(pair.client.established)
    const sent = play(pair, steps)
    fc.pre(!pair.reason(closing))
    pair.act(closing, (end) => end.close())
    pair.wait(100_000)
    const other = otherSide(closing)
    const got = received(pair, other)
    expectPart(pair, other, got, sent[closing])
    // The other end may have lost its session before; that was loud.
    if (pair.reason(closing) === 'CLOSED' && (pair.reason(other) ?? 'CLOSED') === 'CLOSED') {
      expect(got).toEqual(sent[closing])
    }
    expect(['CLOSED', 'TRANSPORT_FAILED']).toContain(pair.reason(closing))
  })

  test.prop([fc.nat({ max: 2_000 }), fc.integer({ min: 1, max: 20_000 }), seed], { numRuns: 30 })(
    'survives a partition of 20 s',
    (start, length, seed) => {
      const begin = 5_000 + start
      const pair = lossyPair({ delay: 20, partitions: [[begin, begin + length]] }, seed).run(5_000)
      const messages = Array.from({ length: 60 }, (_, n) => messageOf('client', n, 100))
      for (const message of messages) {
        pair.send('client', message)
        pair.wait(40)
      }
      expect(pair.wait(40_000).messages('server')).toEqual(messages)
    },
  )

  test.prop([conditions(0.2), seed, fc.array(fc.nat({ max: 4000 }), { minLength: 10, maxLength: 10 })], {
    numRuns: 60,
  })(
    'changes nothing for somebody who injects forged copies of what he sees, acknowledgements too',
    (given, seed, flips) => {
      const honest = simulatedNetwork(given, seed)
      // Before there are keys nothing stops him.
      let forging = false
      const pair = settle(
        new Pair({
          kind: 'datagram',
          seed,
          client: fast,
          network(packet) {
            const { bytes, index } = packet
            const at = flips[index % flips.length]!
            const forged = flipBit(bytes, at % bytes.length, at % 8)
            // A frame's checksum is no protection: the forger mends it.
            const mended = forged[0] === 0xcd && forged.length >= 12 ? withCrc(forged) : forged
            return [...(forging ? [{ bytes: mended, delay: 1 }] : []), ...honest(packet)]
          },
        }),
      )
      fc.pre(pair.client.established)
      forging = true
      const messages = Array.from({ length: 20 }, (_, n) => messageOf('server', n, 30 * n))
      for (const message of messages) if (!pair.reason('server')) pair.send('server', message)
      pair.wait(100_000)
      const got = pair.messages('client')
      expect(got).toEqual(messages.slice(0, got.length))
      if (!pair.reason('server')) expect(got).toEqual(messages)
      expect(LOUD).toContain(pair.reason('client'))
    },
  )
})
