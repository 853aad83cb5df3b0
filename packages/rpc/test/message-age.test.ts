import { fc, test as property } from '@fast-check/vitest'
import * as v from 'valibot'
import { afterEach, describe, expect, test } from 'vitest'
import { contract, RpcCode, rpc } from '../src/index.ts'
import { Lateness } from '../src/message-age.ts'
import { codeOf, RawPeer, SimulatedClock, sessionPair } from './helpers.ts'

const api = contract({ requests: { drive: { params: v.object({ v: v.number() }), result: v.object({}) } } })

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

/** A robot with a clock of its own; requests are held up as the test likes. */
async function robot() {
  const time = new SimulatedClock()
  const { client, server } = await sessionPair()
  open.push(client, server)
  const driven: number[] = []
  const drive = (params: { v: number }) => {
    driven.push(params.v)
    return {}
  }
  rpc(client, { serves: api, requests: { drive }, clock: time })
  const raw = new RawPeer(server)
  let id = 0
  /** Asks with this age; true if it was carried out. */
  const carriedOut = async (at: number, ttl: number) => {
    const answer = await raw.ask({ jsonrpc: '2.0', id: ++id, method: 'drive', params: { v: id }, age: { at, ttl } })
    if ('result' in answer) return true
    expect(answer).toMatchObject({ id, error: { code: RpcCode.TOO_OLD, message: expect.stringContaining('late') } })
    return false
  }
  return { time, carriedOut, driven }
}

describe('time to live', () => {
  test('what is too old is not carried out', async () => {
    const { time, carriedOut, driven } = await robot()
    expect(await carriedOut(0, 300)).toBe(true)
    // Made at 1000, arrives at 1200.
    time.advance(1200)
    expect(await carriedOut(1000, 300)).toBe(true)
    time.advance(900)
    // Made at 1500, arrives at 2100: 600 ms late.
    expect(await carriedOut(1500, 300)).toBe(false)
    expect(await carriedOut(1500, 601)).toBe(true)
    expect(await carriedOut(2100, 0)).toBe(true)
    expect(driven).toEqual([1, 2, 4, 5])
  })

  test.each([600_000, -600_000, 1e12])('a clock that is %d ms off changes nothing', async (off) => {
    const { time, carriedOut } = await robot()
    expect(await carriedOut(off, 300)).toBe(true)
    time.advance(1000)
    expect(await carriedOut(off + 900, 300)).toBe(true)
    expect(await carriedOut(off + 600, 300)).toBe(false)
  })

  test('the first request of a session sets the measure, a faster one corrects it', async () => {
    const { time, carriedOut } = await robot()
    time.advance(5_000)
    // 5 s under way, which nobody can know.
    expect(await carriedOut(0, 300)).toBe(true)
    // The next is at once, so now it is known.
    expect(await carriedOut(5_000, 300)).toBe(true)
    expect(await carriedOut(4_000, 300)).toBe(false)
  })

  test('both ends: at is of the session clock of the sender', async () => {
    const time = new SimulatedClock()
    const { client, server } = await sessionPair()
    open.push(client, server)
    const peer = rpc(client, { calls: api, clock: time })
    const raw = new RawPeer(server)
    time.advance(1234.5)
    const asked = peer.request('drive', { v: 1 }, { ttl: 300 })
    expect(await raw.next()).toMatchObject({ age: { at: 1235, ttl: 300 } })
    await raw.send({ jsonrpc: '2.0', id: 1, error: { code: -32001, message: 'too old' } })
    expect(await codeOf(asked)).toBe(RpcCode.TOO_OLD)
    void peer.request('drive', { v: 1 }).catch(() => {})
    expect(await raw.next()).not.toHaveProperty('age')
  })

  test.each([0, -1, Number.NaN])('%d is no time to live', async (ttl) => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    expect(await codeOf(rpc(client, { calls: api }).request('drive', { v: 1 }, { ttl }))).toBe('INVALID_ARGUMENT')
  })
})

describe('lateness', () => {
  const delays = fc.array(fc.record({ pause: fc.nat(1000), delay: fc.nat(2000) }), { minLength: 1, maxLength: 50 })

  property.prop([delays, fc.double({ min: -1e9, max: 1e9, noNaN: true })])(
    'is never more than the delay, nor less than the delay beyond the shortest one',
    (requests, offset) => {
      const lateness = new Lateness()
      let now = 0
      let shortest = Number.POSITIVE_INFINITY
      for (const { pause, delay } of requests) {
        now += pause
        shortest = Math.min(shortest, delay)
        const late = lateness.measure(now + delay, now + offset)
        expect(late).toBeLessThanOrEqual(delay + 1e-3)
        expect(late).toBeGreaterThanOrEqual(0)
        // Less by what the drift that is allowed for makes in this time: up to 52 s.
        expect(late).toBeGreaterThanOrEqual(delay - shortest - 52_000 * 200e-6 - 1e-3)
        now += delay
      }
    },
  )

  test.each([150e-6, -150e-6])('follows clocks that drift apart by %d', (drift) => {
    const lateness = new Lateness()
    // A day of ten requests a second would be long; one each second does.
    let latest = 0
    for (let at = 0; at < 86_400_000; at += 1000) {
      latest = Math.max(latest, lateness.measure(at * (1 + drift) + 2, at))
    }
    expect(latest).toBeLessThan(1)
    expect(lateness.measure(86_400_000 * (1 + drift) + 502, 86_400_000)).toBeGreaterThan(499)
  })
})
