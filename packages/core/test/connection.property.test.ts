import { fc, test } from '@fast-check/vitest'
import {
  bytesOf,
  codeThrownBy as codeOf,
  flipBit,
  type Network,
  otherSide,
  Pair,
  recordingProvider,
  type Side,
  text,
} from '@usmp/testing'
import { withCrc } from '@usmp/testing/provider-suite'
import { describe, expect } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import type { TransportKind } from '../src/connection.ts'
import { CipherSuite } from '../src/constants.ts'

const side = fc.constantFrom<Side>('client', 'server')
const SIDES = ['client', 'server'] as const

const quiet = { keepalive: 0, idleTimeout: 0 } as const
const quietClient = { ...quiet, suite: CipherSuite.CHACHA20_POLY1305 } as const

// ─── handshake ───

/** What happens to one packet of the handshake. */
const harm = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'pass' } as const) },
  { weight: 1, arbitrary: fc.constant({ do: 'drop' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('flip' as const),
      at: fc.nat({ max: 100 }),
      bit: fc.nat({ max: 7 }),
      mended: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'twice' } as const) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late' as const), by: fc.constantFrom(15, 40, 3000, 7000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), at: fc.nat({ max: 80 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reflect' as const) }) },
)
type Harm = typeof harm extends fc.Arbitrary<infer T> ? T : never

/** The first packets of each side fare as told until it is over, all others arrive. The test itself plays `reflect`. */
function harmful(harms: Record<Side, readonly Harm[]>, kind: TransportKind, isOver: () => boolean): Network {
  return ({ from, index, bytes }) => {
    const what = (!isOver() && harms[from][index]) || { do: 'pass' }
    switch (what.do) {
      case 'drop':
        return []
      case 'twice':
        return [
          { bytes, delay: 10 },
          { bytes, delay: 10 },
        ]
      case 'late':
        return [{ bytes, delay: what.by }]
      case 'cut':
        return [{ bytes: bytes.subarray(0, what.at), delay: 10 }]
      case 'flip': {
        const changed = flipBit(bytes, what.at % bytes.length, what.bit)
        return [{ bytes: what.mended && kind !== 'serial' ? withCrc(changed) : changed, delay: 10 }]
      }
      default:
        return [{ bytes, delay: 10 }]
    }
  }
}

describe.each(['stream', 'message', 'serial', 'datagram'] as const)('handshake on a %s transport', (kind) => {
  const harms = fc.record({
    client: fc.array(harm, { maxLength: 3 }),
    server: fc.array(harm, { maxLength: 3 }),
  })

  test.prop([harms], { numRuns: 150 })('ends in an error or in equal keys, whatever happens to its bytes', (given) => {
    let over = false
    const pair = new Pair({ kind, client: quietClient, network: harmful(given, kind, () => over) })
    const seen = { client: 0, server: 0 }
    for (let at = 0; at <= 100; at += 5) {
      pair.run(at)
      for (const from of SIDES) {
        for (; seen[from] < pair.sent[from].length; seen[from]++) {
          if (given[from][seen[from]]?.do === 'reflect') pair.deliver(from, pair.sent[from][seen[from]]!)
        }
      }
    }
    pair.run(30_000)
    over = true
    const established = SIDES.filter((end) => pair.ends[end].established)
    for (const end of established) pair.send(end, text(`from ${end}`))
    pair.wait(100)
    for (const end of SIDES) {
      const expected = established.length === 2 ? [text(`from ${otherSide(end)}`)] : []
      expect(pair.messages(end)).toEqual(expected)
      // A client has ended or is connected; so has a server that a connection brought, but a line waits for HELLO.
      const waits = end === 'server' && (kind === 'serial' || kind === 'datagram')
      if (!waits) expect(pair.ends[end].established || pair.reason(end) !== undefined).toBe(true)
    }
  })
})

// ─── sessions on ordered transports ───

const length = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(0, 452, 453, 904, 905, 1808))
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), side, length }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rekey' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ping' as const), side }) },
)

/** The n-th message of a side: recognisable, and of the wanted length where that is long enough. */
const messageOf = (from: Side, n: number, size: number) =>
  concatBytes(text(`${from} ${n} `), bytesOf(Math.max(0, Math.min(size, 1808 - 12)), n + 1))

describe.each(['stream', 'serial'] as const)('session on a %s transport', (kind) => {
  test.prop([fc.array(action, { maxLength: 60 })], { numRuns: 150 })(
    'loses, repeats and reorders nothing, while both sides rekey when they like',
    (actions) => {
      const provider = recordingProvider()
      const pair = new Pair({ kind, client: { ...quietClient, provider }, server: { ...quiet, provider } }).connect()
      const sent: Record<Side, string[]> = { client: [], server: [] }
      for (const step of actions) {
        // Time passes, so that the frames of the test are no flood.
        pair.now += 300
        switch (step.do) {
          case 'send': {
            const message = messageOf(step.side, sent[step.side].length, step.length)
            sent[step.side].push(toHex(message))
            pair.send(step.side, message)
            break
          }
          case 'rekey': {
            const refused = codeOf(() => pair.act(step.side, (end) => end.rekey(pair.now)))
            expect(['no error', 'INVALID_ARGUMENT']).toContain(refused)
            break
          }
          case 'ping':
            pair.act(step.side, (end) => end.ping(pair.now))
            break
          default:
            pair.deliverNext(step.side)
        }
      }
      const deliverAll = () => {
        while (pair.wire.length > 0) {
          pair.now += 300
          for (const to of SIDES) pair.deliverNext(to)
        }
      }
      deliverAll()
      for (const from of SIDES) {
        const last = messageOf(from, sent[from].length, 5)
        sent[from].push(toHex(last))
        pair.send(from, last)
      }
      deliverAll()
      for (const end of SIDES) {
        expect(pair.reason(end)).toBeUndefined()
        expect(pair.messages(end).map((message) => toHex(message))).toEqual(sent[otherSide(end)])
        // Nothing waits for a confirmation any more, and every change that was begun was reported.
        pair.now += 300
        expect(codeOf(() => pair.act(end, (connection) => connection.rekey(pair.now)))).toBe('no error')
        deliverAll()
        const begun = actions.filter((step) => step.do === 'rekey' && step.side === end).length
        const reported = pair.kinds(end).filter((event) => event === 'rekeyed').length
        expect(reported).toBeGreaterThanOrEqual(1)
        expect(reported).toBeLessThanOrEqual(begun + 1)
      }
      expect(provider.sealedTwice).toEqual([])
      expect(provider.seals()).toBeGreaterThan(0)
    },
  )
})

describe('no pair of key and nonce seals twice', () => {
  const call = fc.constantFrom('send', 'long', 'ping', 'rekey', 'extension', 'bye')

  test.prop([fc.array(call, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 12 }), side], { numRuns: 80 })(
    'when the provider fails in the middle',
    (calls, failAt, at) => {
      const provider = recordingProvider()
      const common = { ...quiet, provider, extensions: [0x42] }
      const pair = new Pair({ client: { ...quietClient, ...common }, server: common }).connect()
      provider.failSealIn(failAt)
      let failed = false
      for (const what of calls) {
        pair.now += 1000
        const code = codeOf(() =>
          pair.act(at, (end) => {
            if (what === 'send') return end.send(text('x'), pair.now)
            if (what === 'long') return end.send(bytesOf(1500), pair.now)
            if (what === 'ping') return end.ping(pair.now)
            if (what === 'extension') return end.sendExtension(0x42, text('x'), pair.now)
            if (what === 'rekey') return end.rekey(pair.now)
            return end.close()
          }),
        )
        failed ||= code === 'CRYPTO_FAILED'
        if (failed) expect(pair.reason(at)).toBe('CRYPTO_FAILED')
      }
      pair.wait(100)
      expect(provider.sealedTwice).toEqual([])
    },
  )
})
