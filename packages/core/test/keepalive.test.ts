import { codeThrownBy as codeOf, Pair, type PairOptions, type Side, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { PacketType } from '../src/constants.ts'
import { decodeFrame } from '../src/frame.ts'
import { KeepAlive } from '../src/keepalive.ts'
import { isUtack } from '../src/utack.ts'

const SIDES = ['client', 'server'] as const
const KINDS = ['stream', 'message', 'datagram'] as const

/** Types of the frames that a side has sent, repeats included, acknowledgements left out. */
const typesOf = (pair: Pair, side: Side) =>
  pair.sent[side].filter((bytes) => !isUtack(bytes)).map((bytes) => decodeFrame(bytes).type)

/** The application of a side stops reading, or reads again: on ordered transports nothing arrives meanwhile. */
class SlowReader {
  readonly #held: Uint8Array[] = []
  readonly #pair: Pair
  readonly #side: Side
  readonly #ordered: boolean
  reading = true

  constructor(pair: Pair, side: Side, ordered: boolean) {
    this.#pair = pair
    this.#side = side
    this.#ordered = ordered
    pair.ends[side].receive = new Proxy(pair.ends[side].receive, {
      apply: (receive, end, [bytes, now]: [Uint8Array, number]) => {
        if (this.#ordered && !this.reading) this.#held.push(bytes)
        else receive.call(end, bytes, now)
      },
    })
  }

  setReading(reading: boolean): void {
    this.reading = reading
    const { now } = this.#pair
    this.#pair.act(this.#side, (end) => end.setReading(reading, now))
    if (reading) for (const bytes of this.#held.splice(0)) this.#pair.deliver(this.#side, bytes)
  }
}

function slowPair(kind: (typeof KINDS)[number], side: Side, options: PairOptions = {}) {
  const pair = new Pair({ kind, ...options }).connect()
  return { pair, reader: new SlowReader(pair, side, kind !== 'datagram') }
}

describe.each(KINDS)('an application that does not read for a while, %s', (kind) => {
  test.each(SIDES)('the %s: the session lives, although its messages wait for minutes', (side) => {
    const other = side === 'client' ? 'server' : 'client'
    const { pair, reader } = slowPair(kind, side)
    for (let round = 0; round < 3; round++) {
      reader.setReading(false)
      for (let i = 0; i < 8; i++) pair.send(other, text(`${round} ${i}`))
      pair.wait(200_000)
      reader.setReading(true)
      pair.wait(10_000)
    }
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
    expect(pair.messages(side)).toHaveLength(24)
  })

  test('it shows its life by a PING every 20 s, also as a server without keepalive, and less often than that to nobody', () => {
    const { pair, reader } = slowPair(kind, 'server', { client: { keepalive: 0 } })
    reader.setReading(false)
    pair.send('client', text('waits'))
    pair.wait(100_000)
    const pings = typesOf(pair, 'server').filter((type) => type === PacketType.PING)
    expect(pings).toHaveLength(5)
    reader.setReading(true)
    pair.wait(50_000)
    expect(typesOf(pair, 'server').filter((type) => type === PacketType.PING)).toHaveLength(5)
  })

  test('a keepalive longer than 20 s does not make it silent, a shorter one makes it louder', () => {
    for (const [keepalive, count] of [
      [50_000, 5],
      [10_000, 10],
    ] as const) {
      const { pair, reader } = slowPair(kind, 'server', { client: { keepalive: 0 }, server: { keepalive } })
      reader.setReading(false)
      pair.wait(100_000)
      expect(typesOf(pair, 'server').filter((type) => type === PacketType.PING)).toHaveLength(count)
    }
  })

  test('its own idle limit begins again when it reads again, and a dead peer is found then', () => {
    const { pair, reader } = slowPair(kind, 'server', {
      client: { keepalive: 0, idleTimeout: 0 },
      server: { idleTimeout: 60_000 },
    })
    reader.setReading(false)
    pair.wait(300_000)
    expect(pair.reason('server')).toBeUndefined()
    reader.setReading(true)
    // What was held arrives now, as the peer has answered; from here on it is gone.
    pair.wait(59_000)
    expect(pair.reason('server')).toBeUndefined()
    pair.wait(2_000)
    expect(pair.reason('server')).toBe('IDLE_TIMEOUT')
  })
})

describe('on datagrams, while the receiver does not read', () => {
  test('both at once, with messages under way both ways: the session lives for ten minutes', () => {
    const pair = new Pair({ kind: 'datagram' }).connect()
    for (const side of SIDES) pair.act(side, (end) => end.setReading(false, pair.now))
    for (const side of SIDES) for (let i = 0; i < 20; i++) pair.send(side, text(`${i}`))
    pair.wait(590_000)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
    for (const side of SIDES) pair.act(side, (end) => end.setReading(true, pair.now))
    pair.wait(10_000)
    for (const side of SIDES) expect(pair.messages(side)).toHaveLength(20)
  })

  test('but not without end', () => {
    const { pair, reader } = slowPair('datagram', 'server')
    reader.setReading(false)
    pair.send('client', text('never taken'))
    pair.wait(620_000)
    expect(pair.reason('client')).toBe('TRANSPORT_FAILED')
  })

  test('an extension frame that the peer never takes is given up after 30 s, however alive the peer is', () => {
    const pair = new Pair({ kind: 'datagram', client: { extensions: [0x42], keepalive: 1_000 } }).connect()
    pair.act('client', (end) => end.sendExtension(0x42, text('?'), pair.now))
    pair.wait(40_000)
    expect(pair.reason('client')).toBe('TRANSPORT_FAILED')
  })

  test('a peer that is gone is given up after 30 s', () => {
    let gone = false
    const pair = new Pair({
      kind: 'datagram',
      network: ({ bytes }) => (gone ? [] : [{ bytes, delay: 10 }]),
    }).connect()
    gone = true
    pair.send('client', text('lost'))
    pair.wait(29_000)
    expect(pair.reason('client')).toBeUndefined()
    pair.wait(7_000)
    expect(pair.reason('client')).toBe('TRANSPORT_FAILED')
  })

  test('a peer that goes away meanwhile is found by the PINGs that nobody acknowledges', () => {
    let gone = false
    const pair = new Pair({
      kind: 'datagram',
      network: ({ bytes }) => (gone ? [] : [{ bytes, delay: 10 }]),
    }).connect()
    pair.act('server', (end) => end.setReading(false, pair.now))
    gone = true
    pair.wait(60_000)
    expect(pair.reason('server')).toBe('TRANSPORT_FAILED')
  })

  test('a receiver that reads again after a minute gets what was sent first, in order', () => {
    const { pair, reader } = slowPair('datagram', 'server', { client: { keepalive: 5_000 } })
    reader.setReading(false)
    for (let i = 0; i < 4; i++) pair.send('client', text(`${i}`))
    // Its PINGs have numbers behind the messages, and are taken.
    pair.wait(60_000)
    reader.setReading(true)
    pair.wait(10_000)
    expect(pair.messages('server')).toEqual([0, 1, 2, 3].map((i) => text(`${i}`)))
  })

  test('an end that was suspended for a minute sends once more before it gives a datagram up', () => {
    let lost = true
    const pair = new Pair({
      kind: 'datagram',
      network: ({ from, bytes }) => (lost && from === 'client' ? [] : [{ bytes, delay: 10 }]),
    })
    lost = false
    pair.connect()
    lost = true
    pair.send('client', text('its first sending is lost'))
    lost = false
    // Nothing of the process runs for a minute.
    pair.now += 59_000
    pair.wait(2_000)
    expect(pair.reason('client')).toBeUndefined()
    expect(pair.messages('server')).toHaveLength(1)
  })
})

describe('FLOOD', () => {
  /** A network that holds everything up from `from` to `to`. */
  const stalled = (from: number, to: number): Pick<PairOptions, 'network'> => ({
    network: ({ bytes, now }) => [{ bytes, delay: now >= from && now < to ? to - now : 1 }],
  })

  test.each(KINDS)('PINGs that pile up while the network stalls for 25 s do not end the session, %s', (kind) => {
    const busy = { keepalive: 1_000 }
    const pair = new Pair({ kind, ...stalled(3_000, 28_000), client: busy, server: busy }).connect()
    pair.run(200_000)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
  })

  test.each(KINDS)('nor those that wait while the process is held up, %s', (kind) => {
    const pair = new Pair({ kind, client: { keepalive: 500 }, server: { keepalive: 500 } }).connect()
    const held: Uint8Array[] = []
    const { server } = pair
    const { receive } = server
    server.receive = (bytes) => held.push(bytes)
    const until = pair.now + 25_000
    const handleTimeout = server.handleTimeout
    server.handleTimeout = () => {}
    for (let at = pair.now; at < until; at += 100) {
      pair.act('client', (end) => end.handleTimeout(at))
      pair.now = at
      for (const { to, bytes } of pair.wire.splice(0)) {
        if (to === 'server') held.push(bytes)
        else pair.deliver(to, bytes)
      }
    }
    server.receive = receive
    server.handleTimeout = handleTimeout
    for (const bytes of held) pair.deliver('server', bytes)
    pair.wait(20_000)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
  })

  test('what waits while a slow application does not read for three hours is no flood', () => {
    const { pair, reader } = slowPair('stream', 'server', { client: { keepalive: 10_000 } })
    reader.setReading(false)
    pair.wait(3 * 3_600_000)
    reader.setReading(true)
    pair.wait(1_000)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
  })

  test.each(KINDS)('a heap of PINGs brings eight PONGs in any second, as published peers take no more, %s', (kind) => {
    const pair = new Pair({ kind, ...stalled(2_000, 32_000), client: { keepalive: 1_000 } }).connect()
    const pongsAt: number[] = []
    let seen = 0
    for (let at = 1_000; at < 40_000; at += 10) {
      pair.run(at)
      const pongs = new Set(
        pair
          .frames('server')
          .filter((bytes) => decodeFrame(bytes).type === PacketType.PONG)
          .map((bytes) => decodeFrame(bytes).seq),
      ).size
      for (; seen < pongs; seen++) pongsAt.push(at)
    }
    expect(pongsAt.length).toBeGreaterThan(8)
    for (const [i, at] of pongsAt.slice(8).entries()) expect(at - pongsAt[i]!).toBeGreaterThanOrEqual(990)
    expect(pair.reason('client')).toBeUndefined()
  })
})

describe('REKEY', () => {
  /** How many rekeys a side may start when it asks all the time; the other end must take them all. */
  function eager(kind: (typeof KINDS)[number], seconds: number): { pair: Pair; refused: Set<string> } {
    const pair = new Pair({ kind, latency: 1 }).connect()
    const refused = new Set<string>()
    const end = pair.now + seconds * 1_000
    while (pair.now < end) {
      for (const side of SIDES) {
        refused.add(codeOf(() => pair.act(side, (connection) => connection.rekey(pair.now))))
        // The most PINGs that an end sends besides.
        if (!pair.ends[side].closedReason) pair.act(side, (connection) => connection.ping(pair.now))
      }
      pair.wait(50)
    }
    return { pair, refused }
  }

  test.each(KINDS)('an application that rekeys in a loop is held back and never floods its peer, %s', (kind) => {
    const { pair, refused } = eager(kind, 200)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
    expect([...refused].sort()).toEqual(['INVALID_ARGUMENT', 'no error'])
    const rekeyed = pair.kinds('client').filter((kind) => kind === 'rekeyed').length
    expect(rekeyed).toBeGreaterThan(40)
    expect(rekeyed).toBeLessThan(140)
  })

  test('begun by the random source of a rekey, it ends nothing: the outer one is refused', () => {
    let again: (() => void) | undefined
    let counter = 0
    const pair = new Pair({
      client: {
        random: (length) => {
          const nested = again
          again = undefined
          nested?.()
          return new Uint8Array(length).fill(++counter)
        },
      },
    }).connect()
    again = () => pair.client.rekey(pair.now)
    expect(codeOf(() => pair.act('client', (end) => end.rekey(pair.now)))).toBe('INVALID_ARGUMENT')
    pair.wait(100)
    expect(pair.kinds('client')).toContain('rekeyed')
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
  })
})

test('the time in which an end does not read refills its flood budget once', () => {
  const liveness = new KeepAlive({ keepalive: 0, idleTimeout: 0, pingTimeout: Number.POSITIVE_INFINITY }, 0)
  for (let i = 0; i < 512; i++) liveness.countControl(0)
  liveness.setReading(false, 0)
  liveness.setReading(true, 10_000)
  for (let i = 0; i < 80; i++) liveness.countControl(10_000)
  expect(() => liveness.countControl(10_000)).toThrow(expect.objectContaining({ code: 'FLOOD' }))
})
