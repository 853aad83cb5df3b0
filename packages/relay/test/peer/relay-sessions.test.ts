import { UsmpError } from '@usmp/core'
import { failureOf, SimulatedClock, turns, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { type RelaySessionsOptions, relaySessions } from '../../src/relay-sessions.ts'
import { CloseCode, type Side } from '../../src/wire.ts'
import { MemoryRelay } from './memory-relay.ts'
import { EchoPeer, keysOf, NOON, RELAY, strangerKeys } from './pair-of-peers.ts'

const MIDNIGHT = Date.parse('2026-12-01T00:00:00Z')

/** Lets simulated time pass until something is so. */
async function advanceUntil(clock: SimulatedClock, condition: () => boolean, what?: string): Promise<void> {
  for (let i = 0; i < 2_000 && !condition(); i++) {
    await turns(3)
    if (!condition()) clock.advance(100)
  }
  await until(condition, what)
}

function peerAt(relay: MemoryRelay, side: Side, more: Partial<RelaySessionsOptions> = {}): EchoPeer {
  return new EchoPeer({ dial: relay.dial, keys: keysOf(side), ...more })
}

describe('the sessions of a pair', () => {
  test('the two meet, whoever comes first; side 0 is the server; and meet again when a session has ended', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const first = peerAt(relay, 0, { clock })
    await until(() => first.states.includes('waiting'))
    const second = peerAt(relay, 1, { clock })
    await until(() => first.sessions.length === 1 && second.sessions.length === 1)
    expect(first.states).toEqual(['connecting', 'waiting', 'handshaking', 'online'])
    expect(second.states).toEqual(['connecting', 'handshaking', 'online'])
    expect(first.sessions[0]!.sessionId).toBe(second.sessions[0]!.sessionId)
    await first.sessions[0]!.send('hello')
    await until(() => first.echoes.length === 1)
    await first.sessions[0]!.close()
    await advanceUntil(clock, () => first.sessions.length === 2 && second.sessions.length === 2)
    expect(first.sessions[1]!.sessionId).not.toBe(first.sessions[0]!.sessionId)
    expect(new Set([...first.errors, ...second.errors]), 'a good end').toEqual(new Set(['CLOSED']))
  })

  test('on the route of the day, with the device id of the day, and the token', async () => {
    const relay = new MemoryRelay()
    const token = Uint8Array.of(1, 2, 3)
    const first = peerAt(relay, 0, { token })
    const second = peerAt(relay, 1)
    await until(() => first.sessions.length === 1 && second.sessions.length === 1)
    const route = keysOf(0).route('2026-11-30')
    const bySide = [...relay.joins].sort((a, b) => a.side - b.side)
    expect(bySide).toEqual([
      { route, side: 0, pairing: false, token },
      { route, side: 1, pairing: false, token: new Uint8Array(0) },
    ])
    const id = Buffer.from(keysOf(0).deviceId('2026-11-30')).toString('hex')
    expect(first.sessions[0]!.deviceId.replaceAll(':', '')).toBe(id)
  })

  test('the relay is killed and comes back: both say so, and meet again', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peers = [peerAt(relay, 0, { clock }), peerAt(relay, 1, { clock })]
    await until(() => peers.every(({ sessions }) => sessions.length === 1))
    relay.kill()
    await advanceUntil(clock, () => peers.every(({ states }) => states.includes('away')))
    relay.up = true
    await advanceUntil(clock, () => peers.every(({ sessions }) => sessions.length === 2))
    for (const { states } of peers) expect(states.at(-1)).toBe('online')
  })

  test('the relay is away for a minute: it is asked every 8 seconds at least, and both are back within 10', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peers = [peerAt(relay, 0, { clock }), peerAt(relay, 1, { clock })]
    await until(() => peers.every(({ sessions }) => sessions.length === 1))
    relay.kill()
    for (const end = clock.now() + 60_000; clock.now() < end; clock.advance(100)) await turns(1)
    for (const { told, states } of peers) {
      // What a person sees does not flicker.
      expect(new Set(states.slice(states.indexOf('away')))).toEqual(new Set(['away']))
      const pauses = told.flatMap(({ pause }) => pause ?? [])
      expect(Math.max(...pauses)).toBeLessThanOrEqual(8_000)
      expect(pauses.length).toBeGreaterThan(7)
      expect(told.at(-1)).toMatchObject({ state: 'away', error: { code: 'UNREACHABLE' } })
    }
    relay.up = true
    const back = clock.now()
    await advanceUntil(clock, () => peers.every(({ sessions }) => sessions.length === 2))
    expect(clock.now() - back).toBeLessThan(10_000)
  })

  test('a relay that refuses is told with its words, and asked once a minute in the end', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    relay.refusal = [CloseCode.TOKEN, 'expired']
    const peer = peerAt(relay, 0, { clock })
    await advanceUntil(clock, () => relay.joins.length >= 10)
    const last = peer.told.at(-1)!
    expect([last.state, last.error!.code, last.error!.message]).toEqual([
      'away',
      'RELAY_REFUSED',
      expect.stringContaining('"expired"'),
    ])
    expect(last.pause).toBeGreaterThan(29_999)
    expect(last.pause).toBeLessThanOrEqual(60_000)
    relay.refusal = undefined
    await advanceUntil(clock, () => peer.states.at(-1) === 'waiting')
  })

  test('one who is alone joins again every five minutes, without telling it', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peer = peerAt(relay, 1, { clock })
    await until(() => peer.states.includes('waiting'))
    for (let joins = 2; joins <= 4; joins++) {
      // The relay has said that it waits.
      await turns()
      clock.advance(299_000)
      await turns()
      expect(relay.joins.length).toBe(joins - 1)
      clock.advance(1_000)
      await until(() => relay.joins.length === joins)
      await until(() => relay.sockets.size === 1, 'the older connection is gone')
    }
    expect(peer.states).toEqual(['connecting', 'waiting'])
  })

  test('peers at both sides of midnight, whose clocks differ, meet', async () => {
    for (const [ahead, behind] of [
      [4 * 60_000, -4 * 60_000],
      [6 * 60_000, -4 * 60_000],
      [1, -1],
    ] as const) {
      const relay = new MemoryRelay()
      const clock = new SimulatedClock()
      const start = clock.now()
      const at = (skew: number) => () => MIDNIGHT + skew + clock.now() - start
      const peers = [peerAt(relay, 0, { clock, now: at(ahead) }), peerAt(relay, 1, { clock, now: at(behind) })]
      await advanceUntil(clock, () => peers.every(({ sessions }) => sessions.length === 1))
      expect(clock.now() - start).toBeLessThan(60_000)
      for (const peer of peers) await peer.stop()
    }
  })

  test('a session goes on over midnight', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const start = clock.now()
    const now = () => MIDNIGHT - 60_000 + clock.now() - start
    const peers = [peerAt(relay, 0, { clock, now }), peerAt(relay, 1, { clock, now })]
    await advanceUntil(clock, () => peers.every(({ sessions }) => sessions.length === 1))
    for (let i = 0; i < 20; i++) {
      clock.advance(30_000)
      await turns(5)
    }
    expect(peers.map(({ sessions }) => sessions.length)).toEqual([1, 1])
  })

  test('ends, with its session and without a timer left, when the signal aborts or the consumer leaves', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peers = [peerAt(relay, 0, { clock }), peerAt(relay, 1, { clock })]
    await until(() => peers.every(({ sessions }) => sessions.length === 1))
    await peers[0]!.stop()
    expect((await peers[0]!.sessions[0]!.closed).code).toBe('CLOSED')
    expect([peers[0]!.states.at(-1), peers[0]!.fault]).toEqual(['ended', undefined])
    // In a pause, and alone.
    await advanceUntil(clock, () => peers[1]!.states.at(-1) === 'waiting')
    await peers[1]!.stop()
    expect(peers[1]!.states.at(-1)).toBe('ended')
    await until(() => relay.sockets.size === 0)
    expect(clock.pending).toBe(0)
    const again = peerAt(relay, 1, { clock })
    const options = { relay: RELAY, dial: relay.dial, keys: keysOf(0), clock, now: () => NOON }
    for await (const session of relaySessions(options)) {
      expect(session.sessionId).toMatch(/^[0-9a-f]{32}$/)
      break
    }
    await again.stop()
    await until(() => clock.pending === 0)
  })

  test('what this program has to repair is thrown', async () => {
    const relay = new MemoryRelay()
    const wiped = keysOf(0)
    wiped.wipe()
    const cases = [
      [{ keys: wiped }, 'INVALID_ARGUMENT'],
      [{ relay: new URL('ws://relay.example') }, 'INVALID_ARGUMENT'],
      [{ random: () => new Uint8Array(0) }, 'RANDOM_FAILED'],
      [{ now: () => Number.NaN }, 'INVALID_ARGUMENT'],
      [{ now: () => Date.parse('9999-12-31T23:59:59.999Z') + 1 }, 'INVALID_ARGUMENT'],
    ] as const
    for (const [more, code] of cases) {
      // A peer at the other side, as the random source is first asked in a handshake.
      const other = peerAt(relay, 1)
      const sessions = relaySessions({ relay: RELAY, dial: relay.dial, keys: keysOf(0), now: () => NOON, ...more })
      expect((await failureOf(sessions.next())).code).toBe(code)
      await other.stop()
    }
  })

  test('an onState that throws changes nothing', async () => {
    const relay = new MemoryRelay()
    const onState = () => {
      throw new Error('of the application')
    }
    const peers = [peerAt(relay, 0, { onState }), peerAt(relay, 1, { onState })]
    await until(() => peers.every(({ sessions }) => sessions.length === 1))
  })
})

describe('others on the route', () => {
  test('a second program of one side: the older one is told that it was replaced', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const older = peerAt(relay, 0, { clock })
    await until(() => older.states.includes('waiting'))
    const newer = peerAt(relay, 0, { clock })
    await until(() => newer.states.includes('waiting'))
    await until(() => older.errors.length > 0)
    expect(older.told.at(-1)!.error).toMatchObject({ code: 'REPLACED', hint: expect.stringContaining('same identity') })
  })

  test('a third peer ends a session, and all are told', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peers = [peerAt(relay, 0, { clock }), peerAt(relay, 1, { clock })]
    await until(() => peers.every(({ sessions }) => sessions.length === 1))
    const third = peerAt(relay, 1, { clock })
    await advanceUntil(clock, () => peers.every(({ errors }) => errors.length > 0))
    expect(peers.map(({ errors }) => errors[0])).toEqual(['TRUNCATED', 'REPLACED'])
    await advanceUntil(clock, () => third.sessions.length > 0)
  })

  test('a stranger who cannot prove the key: the server of the pair says AUTH_FAILED, and goes on', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peer = peerAt(relay, 0, { clock })
    const stranger = peerAt(relay, 1, { clock, keys: strangerKeys(1) })
    await advanceUntil(clock, () => peer.errors.length >= 4)
    expect(new Set(peer.errors)).toEqual(new Set(['AUTH_FAILED']))
    expect(peer.sessions).toEqual([])
    expect(Math.max(...peer.told.map(({ pause = 0 }) => pause)), 'it backs off').toBeGreaterThan(1_000)
    await stranger.stop()
    const friend = peerAt(relay, 1, { clock })
    await advanceUntil(clock, () => peer.sessions.length === 1 && friend.sessions.length === 1)
    expect(peer.fault).toBeUndefined()
  })

  test('a stranger with another device id gets no further', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peer = peerAt(relay, 0, { clock })
    peerAt(relay, 1, { clock, keys: { ...strangerKeys(1), deviceId: () => Uint8Array.of(2, 0, 0, 0, 0, 1) } })
    await advanceUntil(clock, () => peer.errors.length >= 1)
    expect(peer.errors[0]).toBe('UNKNOWN_DEVICE')
  })

  test('a stranger who poses as the server of the pair: the client says that it was refused, and goes on', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const peer = peerAt(relay, 1, { clock })
    const stranger = peerAt(relay, 0, { clock, keys: strangerKeys(0) })
    await advanceUntil(clock, () => peer.errors.length >= 10)
    expect(new Set(peer.errors)).toEqual(new Set(['HANDSHAKE_REFUSED']))
    expect(Math.max(...peer.told.map(({ pause = 0 }) => pause)), 'and soon').toBeLessThanOrEqual(8_000)
    await stranger.stop()
    const friend = peerAt(relay, 0, { clock })
    await advanceUntil(clock, () => peer.sessions.length === 1 && friend.sessions.length === 1)
  })

  test('errors carry a UsmpError', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    relay.up = false
    const peer = peerAt(relay, 0, { clock })
    await until(() => peer.errors.length === 1)
    expect(peer.told.at(-1)!.error).toBeInstanceOf(UsmpError)
  })
})
