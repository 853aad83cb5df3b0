import { SimulatedClock, turns, until } from '@usmp/testing'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Relay, type RelayLimits, startRelay } from '../../src/server.ts'
import { CloseCode, MAX_RELAYED } from '../../src/wire.ts'
import { circuit, type TestPeer } from './test-peer.ts'

/** More than the kernel holds for two sockets. */
const FLOOD = 40_000
/** What one read gives, and what a stream holds before it wants to be drained; see section 12.1. */
const MOST_BUFFERED = 2 * 65_536
const FAST: Partial<RelayLimits> = { bytesPerSecond: 1e12, byteBurst: 1e12 }

let relay: Relay
let clock: SimulatedClock
afterEach(() => relay.close())

async function start(limits: Partial<RelayLimits>): Promise<void> {
  clock = new SimulatedClock()
  relay = await startRelay({ port: 0, open: true, clock, limits })
}

function metric(name: string): number {
  return Number(new RegExp(`^usmp_relay_${name} (\\d+)$`, 'm').exec(relay.metrics())![1])
}

function send(peer: TestPeer, count: number): void {
  for (let index = 0; index < count; index++) {
    const message = Buffer.alloc(MAX_RELAYED)
    message.writeUInt32BE(index)
    peer.send(message)
  }
}

const numbers = ({ received }: TestPeer) => received.map((message) => message.readUInt32BE())
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Waits until the relay passes nothing on any more, as a receiver is full. */
async function untilStuck(): Promise<void> {
  await until(() => metric('buffered_bytes') > 0)
  for (let before = -1; before !== metric('messages_total'); await turns(50)) before = metric('messages_total')
}

test('a receiver that reads nothing stops the sender; nothing is dropped, and little is kept', async () => {
  await start(FAST)
  const [sender, receiver] = await circuit(relay.url)
  receiver.webSocket.pause()
  send(sender, FLOOD)
  await untilStuck()
  expect(metric('buffered_bytes')).toBeLessThanOrEqual(MOST_BUFFERED)
  expect(metric('messages_total')).toBeLessThan(FLOOD)
  // The other direction is free.
  receiver.send(Buffer.of(7))
  await sender.expect(7)
  // Neither is cut while it waits.
  clock.advance(29_000)
  receiver.webSocket.resume()
  await until(() => receiver.received.length === FLOOD, 'all messages', 60_000)
  expect(numbers(receiver)).toEqual(upTo(FLOOD))
  expect(metric('buffered_bytes')).toBe(0)
})

test('a receiver that takes nothing for 30 s ends the circuit for both, with 4010', async () => {
  await start(FAST)
  const [sender, receiver] = await circuit(relay.url)
  receiver.webSocket.pause()
  send(sender, FLOOD)
  await untilStuck()
  clock.advance(31_000)
  const told = { code: CloseCode.TOO_SLOW, reason: 'one of the two took nothing for 30 s' }
  expect(await sender.closed).toEqual(told)
  // What was passed on before is still there for a receiver that wakes up.
  const passed = metric('messages_total')
  receiver.webSocket.resume()
  expect(await receiver.closed).toEqual(told)
  expect(numbers(receiver)).toEqual(upTo(passed))
})

test('a receiver that stays asleep is cut 30 s later', async () => {
  await start(FAST)
  const [sender, receiver] = await circuit(relay.url)
  receiver.webSocket.pause()
  send(sender, FLOOD)
  await untilStuck()
  clock.advance(31_000)
  await sender.closed
  await until(() => metric('sockets') === 1)
  clock.advance(31_000)
  await until(() => metric('sockets') === 0)
  expect(metric('buffered_bytes')).toBe(0)
  receiver.webSocket.terminate()
})

test('what a sender that ends has sent still reaches a slow receiver', async () => {
  await start(FAST)
  const [sender, receiver] = await circuit(relay.url)
  receiver.webSocket.pause()
  send(sender, FLOOD)
  await untilStuck()
  sender.webSocket.close()
  receiver.webSocket.resume()
  expect((await receiver.closed).code).toBe(CloseCode.PEER_GONE)
  expect(numbers(receiver)).toEqual(upTo(FLOOD))
})

/** Lets seconds pass until so many messages have arrived. */
async function secondsUntil(receiver: TestPeer, count: number): Promise<number> {
  let seconds = 0
  for (; receiver.received.length < count; seconds++) {
    if (receiver.webSocket.readyState === WebSocket.CLOSED) throw new Error('the circuit has ended')
    clock.advance(1_000)
    await turns(20)
  }
  return seconds
}

test('a circuit is as fast as its limit, each direction alone; nothing is dropped', async () => {
  const [bytesPerSecond, byteBurst, cost] = [65_536, 262_144, MAX_RELAYED + 32]
  await start({ bytesPerSecond, byteBurst })
  const [sender, receiver] = await circuit(relay.url)
  const count = 1_500
  send(sender, count)
  await until(() => metric('messages_total') * cost >= byteBurst)
  await turns(100)
  // What is read already is passed on, and one read of the system gives 64 KiB at most.
  expect(metric('messages_total') * cost).toBeLessThanOrEqual(byteBurst + Math.ceil(65_536 / MAX_RELAYED) * cost)
  receiver.send(Buffer.of(7))
  await sender.expect(7)
  const seconds = await secondsUntil(receiver, count)
  expect(numbers(receiver)).toEqual(upTo(count))
  // One more is read when all of them are paid for.
  sender.send(Buffer.of(7))
  const more = await secondsUntil(receiver, count + 1)
  expect(seconds + more).toBeGreaterThanOrEqual(Math.floor((count * cost - byteBurst) / bytesPerSecond))
})

test('a circuit that was idle for long has one burst to spend, and not two', async () => {
  const [byteBurst, cost] = [262_144, MAX_RELAYED + 32]
  await start({ byteBurst })
  const [sender, receiver] = await circuit(relay.url)
  clock.advance(60_000)
  receiver.send(Buffer.of(7))
  await sender.expect(7)
  send(sender, 1_500)
  await until(() => metric('messages_total') * cost >= byteBurst)
  await turns(100)
  expect(metric('messages_total') * cost).toBeLessThanOrEqual(byteBurst + Math.ceil(65_536 / MAX_RELAYED) * cost + cost)
})

test('small messages cost 32 bytes more, and so do pings, so a flood of them is bounded too', async () => {
  await start({ bytesPerSecond: 1_000, byteBurst: 33_000 })
  const [sender, receiver] = await circuit(relay.url)
  const [messages, pings] = [1_500, 50]
  for (let index = 0; index < pings; index++) sender.webSocket.ping(Buffer.of(7))
  for (let index = 0; index < messages; index++) sender.send(Buffer.of(7))
  let seconds = await secondsUntil(receiver, messages)
  sender.send(Buffer.of(7))
  seconds += await secondsUntil(receiver, messages + 1)
  expect(seconds).toBeGreaterThanOrEqual(((messages + pings) * 33 - 33_000) / 1_000 - 1)
})

test('a flood of pings from a peer that reads no pongs ends its socket', async () => {
  await start(FAST)
  const [flooder, peer] = await circuit(relay.url)
  for (let index = 0; index < 1_000; index++) flooder.webSocket.ping()
  expect((await peer.closed).code).toBe(CloseCode.PEER_GONE)
})
