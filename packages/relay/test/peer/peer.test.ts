import { UsmpError } from '@usmp/core'
import { contract, rpc } from '@usmp/rpc'
import { codeOf, SimulatedClock, turns, until } from '@usmp/testing'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import type { RelayPeerOptions } from '../../src/peer.ts'
import type { Side } from '../../src/wire.ts'
import { MemoryRelay } from './memory-relay.ts'
import { NotingPeer, numbered, sendNumbered } from './relay-peers.ts'

/** Lets simulated time pass until something is so. */
async function advanceUntil(clock: SimulatedClock, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 5_000 && !condition(); i++) {
    await turns(3)
    if (!condition()) clock.advance(20)
  }
  await until(condition)
}

function pairAt(relay: MemoryRelay, more: Partial<RelayPeerOptions> = {}): [NotingPeer, NotingPeer, SimulatedClock] {
  const clock = new SimulatedClock()
  const at = (side: Side) => new NotingPeer(relay.dial, side, { clock, ...more })
  const peers = [at(0), at(1)] as const
  for (const peer of peers) peer.receive()
  return [...peers, clock]
}

const online = (...peers: readonly NotingPeer[]) => peers.every(({ peer }) => peer.state === 'online')

describe('a peer', () => {
  test('tells its states from the first one on; what was said before the other one came arrives', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const first = new NotingPeer(relay.dial, 0, { clock })
    expect(first.peer.state).toBe('connecting')
    await first.peer.channel.send('early')
    await until(() => first.peer.state === 'waiting')
    const second = new NotingPeer(relay.dial, 1, { clock })
    second.receive()
    await advanceUntil(clock, () => second.received.length === 1)
    expect(second.received).toEqual(['early'])
    expect(first.states).toEqual(['connecting', 'waiting', 'handshaking', 'online'])
    expect(second.states).toEqual(['connecting', 'handshaking', 'online'])
  })

  test('the relay is killed three times during 3000 messages each way: none is lost, none comes twice, the order is kept', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay)
    await advanceUntil(clock, () => online(first, second))
    const sent = Promise.all([sendNumbered(first, 'a', 3_000), sendNumbered(second, 'b', 3_000)])
    for (const count of [400, 1_200, 2_300]) {
      await advanceUntil(clock, () => first.received.length >= count && second.received.length >= count)
      relay.kill()
      await advanceUntil(clock, () => first.peer.state === 'away' && second.peer.state === 'away')
      relay.up = true
    }
    await advanceUntil(clock, () => first.received.length >= 3_000 && second.received.length >= 3_000)
    await sent
    await turns(50)
    expect(first.received).toEqual(numbered('b', 3_000))
    expect(second.received).toEqual(numbered('a', 3_000))
  })

  test('the relay is away for a minute: what was said meanwhile arrives, but for what had to be in time', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay)
    await advanceUntil(clock, () => online(first, second))
    relay.kill()
    await advanceUntil(clock, () => first.peer.state === 'away')
    const expired: string[] = []
    first.peer.channel.addEventListener('expired', ({ data }) => expired.push(Buffer.from(data).toString()))
    await first.peer.channel.send('one')
    await first.peer.channel.send('stop', { ttl: 5_000 })
    await first.peer.channel.send('two')
    for (let passed = 0; passed < 60_000; passed += 500) {
      await turns(1)
      clock.advance(500)
    }
    expect(second.received).toEqual([])
    relay.up = true
    await advanceUntil(clock, () => second.received.length === 2)
    await advanceUntil(clock, () => expired.length === 1)
    expect([second.received, expired]).toEqual([['one', 'two'], ['stop']])
  })

  test('the program of the other peer restarts: this one is told, and both go on', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay)
    await advanceUntil(clock, () => online(first, second))
    let restarted = 0
    first.peer.channel.addEventListener('peerrestarted', () => void restarted++)
    second.peer.channel.abort(new UsmpError('SHUTDOWN'))
    await second.peer.ended
    const again = new NotingPeer(relay.dial, 1, { clock })
    again.receive()
    await first.peer.channel.send('hello again')
    await advanceUntil(clock, () => again.received.length === 1)
    expect(restarted).toBe(1)
  })

  test('closes at both ends after what was said before has arrived', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay)
    await advanceUntil(clock, () => online(first, second))
    await sendNumbered(first, 'a', 50)
    const closing = first.peer.close()
    let over = false
    void Promise.all([closing, second.peer.ended]).then(() => {
      over = true
    })
    await advanceUntil(clock, () => over)
    expect(second.received).toEqual(numbered('a', 50))
    expect([(await first.peer.ended).code, (await second.peer.ended).code]).toEqual(['CLOSED', 'CLOSED'])
    expect([first.peer.state, second.peer.state]).toEqual(['ended', 'ended'])
    await until(() => relay.sockets.size === 0 && clock.pending === 0)
  })

  test('ends when the signal aborts, whatever it does at that time', async () => {
    const relay = new MemoryRelay()
    for (const when of ['before', 'waiting', 'online', 'away']) {
      const clock = new SimulatedClock()
      const stop = new AbortController()
      if (when === 'before') stop.abort()
      relay.up = when !== 'away'
      const peer = new NotingPeer(relay.dial, 0, { clock, signal: stop.signal })
      const other = when === 'online' ? new NotingPeer(relay.dial, 1, { clock }) : undefined
      if (when !== 'before') await until(() => peer.peer.state === when)
      stop.abort(new Error('enough'))
      expect((await peer.peer.ended).code).toBe('ABORTED')
      expect(await codeOf(peer.peer.channel.receive())).toBe('ABORTED')
      other?.peer.channel.abort(new UsmpError('SHUTDOWN'))
      await other?.peer.ended
      await until(() => relay.sockets.size === 0 && clock.pending === 0)
    }
  })

  test('what this program has to repair ends it', async () => {
    const relay = new MemoryRelay()
    const peer = new NotingPeer(relay.dial, 0, { relay: new URL('ws://relay.example') })
    expect((await peer.peer.ended).code).toBe('INVALID_ARGUMENT')
    expect(peer.told.at(-1)).toMatchObject({ state: 'ended', error: { code: 'INVALID_ARGUMENT' } })
  })

  test('with cover on a schedule: the relay sees cells of one size and no PING, however slow the schedule is', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay, { cover: { mode: 'schedule', rate: 1 / 50, gaps: 'grid' } })
    await advanceUntil(clock, () => online(first, second))
    const sizes = new Set<number>()
    await turns()
    relay.alter = (message) => {
      sizes.add(message.length)
      return [message]
    }
    await first.peer.channel.send('hidden')
    for (let i = 0; i < 600; i++) {
      clock.advance(1_000)
      await turns(2)
    }
    expect([...sizes]).toEqual([492])
    expect([second.received, first.errors, second.errors]).toEqual([['hidden'], [], []])
  })

  test('the cover changes while both talk: the next session has it, and no message is lost or comes twice', async () => {
    const relay = new MemoryRelay()
    const [first, second, clock] = pairAt(relay)
    await advanceUntil(clock, () => online(first, second))
    const sent = Promise.all([sendNumbered(first, 'a', 600), sendNumbered(second, 'b', 600)])
    await advanceUntil(clock, () => first.received.length >= 200)
    first.peer.setCover({ mode: 'schedule', rate: 100, gaps: 'grid' })
    // Again, in the middle of the next handshake.
    await advanceUntil(clock, () => first.peer.state === 'handshaking')
    first.peer.setCover({ mode: 'schedule', rate: 50, gaps: 'grid' })
    await advanceUntil(clock, () => first.received.length === 600 && second.received.length === 600)
    await sent
    expect([second.received, first.received]).toEqual([numbered('a', 600), numbered('b', 600)])

    // From now on the ticks alone make a cell leave.
    let cells = 0
    relay.alter = (message, side) => {
      if (side === 0) cells++
      return [message]
    }
    for (let passed = 0; passed < 2_000; passed += 20) {
      if (passed === 1_000) await first.peer.channel.send('hidden')
      clock.advance(20)
      await turns(2)
    }
    expect(cells).toBe(100)
    first.peer.setCover({ mode: 'off' })
    await advanceUntil(clock, () => first.peer.state === 'handshaking')
    await advanceUntil(clock, () => online(first, second))
    // Hellos and the last acknowledgement leave.
    for (let passed = 0; passed < 200; passed += 20) {
      clock.advance(20)
      await turns(3)
    }
    cells = 0
    for (let passed = 0; passed < 2_000; passed += 20) {
      clock.advance(20)
      await turns(2)
    }
    expect(cells).toBe(0)
    expect(second.received.at(-1)).toBe('hidden')
    expect(() => first.peer.setCover({ mode: 'schedule', rate: 0 })).toThrow('cells a second')
  })
})

test('requests of @usmp/rpc go over the channel, also while the relay is away', async () => {
  const relay = new MemoryRelay()
  const clock = new SimulatedClock()
  const bank = new NotingPeer(relay.dial, 0, { clock })
  const customer = new NotingPeer(relay.dial, 1, { clock })
  const api = contract({ requests: { pay: { params: v.object({ euro: v.number() }), result: v.number() } } })
  let balance = 100
  const pay = ({ euro }: { euro: number }) => {
    balance -= euro
    return balance
  }
  const server = rpc(bank.peer.channel, { serves: api, requests: { pay } })
  const client = rpc(customer.peer.channel, { calls: api })
  const answers: unknown[] = []
  const call = (euro: number) => void client.request('pay', { euro }).then((answer) => answers.push(answer))
  call(1)
  await advanceUntil(clock, () => answers.length === 1)
  relay.kill()
  await advanceUntil(clock, () => customer.peer.state === 'away')
  call(9)
  relay.up = true
  await advanceUntil(clock, () => answers.length === 2)
  expect(answers).toEqual([99, 90])
  void customer.peer.close()
  await advanceUntil(clock, () => bank.peer.state === 'ended' && customer.peer.state === 'ended')
  expect([(await server.closed).code, (await client.closed).code]).toEqual(['CLOSED', 'CLOSED'])
})
