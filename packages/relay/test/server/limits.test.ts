import { once } from 'node:events'
import { connect } from 'node:net'
import { SimulatedClock } from '@usmp/testing'
import { afterEach, expect, test } from 'vitest'
import { AddressTable } from '../../src/server/address-table.ts'
import { DEFAULT_LIMITS, type Relay, type RelayLimits, startRelay } from '../../src/server.ts'
import { CloseCode, type Join, RelayMessage } from '../../src/wire.ts'
import { circuit, newRoute, TestPeer } from './test-peer.ts'

let relay: Relay
let clock: SimulatedClock
afterEach(() => relay.close())

async function start(limits: Partial<RelayLimits>): Promise<void> {
  clock = new SimulatedClock()
  const plenty = { joinsPerSecond: 1e6, joinBurst: 1e6, pairingJoinsPerMinute: 1e6 }
  relay = await startRelay({ port: 0, open: true, clock, limits: { ...plenty, ...limits } })
}

const waits = (join: Partial<Join> = {}) => TestPeer.waiting(relay.url, { route: newRoute(), side: 0, ...join })

/** The reason why a JOIN is refused. */
async function refused(join: Partial<Join> = {}): Promise<string> {
  const peer = await TestPeer.join(relay.url, { route: newRoute(), side: 0, ...join })
  const { code, reason } = await peer.closed
  expect(code).toBe(CloseCode.LIMIT)
  return reason
}

test('joins of an address: a burst, and so many a second', async () => {
  await start({ joinsPerSecond: 10, joinBurst: 3 })
  for (let count = 0; count < 3; count++) await waits()
  expect(await refused()).toBe('an address may join 10 times a second')
  clock.advance(100)
  await waits()
  expect(await refused()).toContain('10 times a second')
})

test('a socket counts before it says JOIN', async () => {
  await start({ joinBurst: 1, joinsPerSecond: 1 })
  await TestPeer.open(relay.url)
  const second = await TestPeer.open(relay.url)
  expect((await second.closed).code).toBe(CloseCode.LIMIT)
})

test('attempts of an address to pair', async () => {
  await start({ pairingJoinsPerMinute: 2 })
  for (let count = 0; count < 2; count++) await waits({ pairing: true })
  expect(await refused({ pairing: true })).toBe('an address may try to pair 2 times a minute')
  await waits()
  clock.advance(30_000)
  await waits({ pairing: true })
})

test('sockets of an address that wait, and of all', async () => {
  await start({ waitingPerAddress: 2 })
  const first = await waits()
  await waits()
  expect(await refused()).toBe('2 sockets of this address wait already')
  await first.close()
  await waits()
  await relay.close()
  await start({ waiting: 1 })
  await waits()
  expect(await refused()).toBe('1 sockets wait at this relay already')
})

test('sockets of an address in circuits: the newcomer goes, and the one that waits stays', async () => {
  await start({ circuitsPerAddress: 2 })
  const [first] = await circuit(relay.url)
  const route = newRoute()
  const waiting = await waits({ route })
  expect(await refused({ route, side: 1 })).toBe('2 sockets of this address are in a circuit already')
  await first.close()
  await expect.poll(() => relay.metrics(), { timeout: 60_000 }).toContain('usmp_relay_circuits 0')
  await TestPeer.join(relay.url, { route, side: 1 })
  await waiting.expect(RelayMessage.PEER)
})

test('circuits of the relay', async () => {
  await start({ circuits: 1 })
  await circuit(relay.url)
  const route = newRoute()
  await waits({ route })
  expect(await refused({ route, side: 1 })).toBe('this relay has 1 circuits already')
})

test('behind a proxy the last address of X-Forwarded-For counts; a /64 is one address', async () => {
  const limits = { waitingPerAddress: 1 }
  relay = await startRelay({ port: 0, host: '0.0.0.0', open: true, trustProxy: true, limits })
  const url = `ws://127.0.0.1:${relay.url.port}/relay`
  const from = async (forwarded: string, code: number | undefined) => {
    const peer = await TestPeer.open(url, { headers: { 'X-Forwarded-For': forwarded } })
    peer.join({ route: newRoute(), side: 0 })
    if (code === undefined) await peer.expect(RelayMessage.WAITING)
    else expect((await peer.closed).code).toBe(code)
  }
  await from('192.0.2.1', undefined)
  await from('192.0.2.1', CloseCode.LIMIT)
  await from('192.0.2.1, 192.0.2.2', undefined)
  await from('198.51.100.7, 192.0.2.2', CloseCode.LIMIT)
  await from('2001:db8:0:1::1', undefined)
  await from('2001:db8:0:1:ffff::2', CloseCode.LIMIT)
  await from('2001:db8:0:2::1', undefined)
  await from('', undefined)
})

test('a proxy that writes the port too does not make each connection an address of its own', async () => {
  relay = await startRelay({ port: 0, open: true, trustProxy: true, limits: { waitingPerAddress: 1 } })
  for (const forwarded of ['192.0.2.1:4711', '192.0.2.1:4712', '[2001:db8::1]:4711', '[2001:db8::2]', '2001:db8::3']) {
    const peer = await TestPeer.open(relay.url, { headers: { 'X-Forwarded-For': forwarded } })
    peer.join({ route: newRoute(), side: 0 })
    if (forwarded.endsWith('4711')) await peer.expect(RelayMessage.WAITING)
    else expect((await peer.closed).code).toBe(CloseCode.LIMIT)
  }
})

test('without a proxy the header says nothing', async () => {
  relay = await startRelay({ port: 0, open: true, limits: { waitingPerAddress: 1 } })
  await waits()
  const peer = await TestPeer.open(relay.url, { headers: { 'X-Forwarded-For': '192.0.2.1' } })
  peer.join({ route: newRoute(), side: 0 })
  expect((await peer.closed).code).toBe(CloseCode.LIMIT)
})

test('connections of one address are bounded before they ask for anything', async () => {
  await start({ waitingPerAddress: 1, circuitsPerAddress: 1 })
  const peers = Array.from({ length: 80 }, () => new TestPeer(relay.url))
  const codes = await Promise.all(
    peers.map((peer) => Promise.race([peer.closed.then(({ code }) => code), peer.opened.then(() => 0)])),
  )
  expect(codes.filter((code) => code === 0)).toHaveLength(66)
  expect(codes.filter((code) => code === 1006)).toHaveLength(14)
})

test('beginnings of connections of one address are bounded too, as each costs a handshake of TLS', async () => {
  clock = new SimulatedClock()
  const limits = { waitingPerAddress: 1, circuitsPerAddress: 1, joinsPerSecond: 1 }
  relay = await startRelay({ port: 0, open: true, clock, limits })
  const isServed = async () => {
    const socket = connect(Number(relay.url.port), '127.0.0.1').on('error', () => {})
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])])
    if (!socket.closed) await once(socket.resume(), 'close')
    return `${answer}`.startsWith('HTTP/1.1 200')
  }
  // One after another, so that none is refused because of those that are open.
  let served = 0
  while (await isServed()) served++
  expect(served).toBe(66)
  expect(await isServed()).toBe(false)
  clock.advance(1_000)
  for (let count = 0; count < 4; count++) expect(await isServed()).toBe(true)
  expect(await isServed()).toBe(false)
})

test('an address is forgotten a minute after its last socket', () => {
  const addresses = new AddressTable(DEFAULT_LIMITS)
  const entry = addresses.enter('192.0.2.1', 0)
  for (let count = 0; count < 10; count++) expect(entry.pairingJoins.take(0)).toBe(true)
  addresses.leave(entry, 0)
  // It comes again in time, and has no new attempts.
  const again = addresses.enter('192.0.2.1', 1_000)
  expect(again.pairingJoins.take(1_000)).toBe(false)
  addresses.leave(again, 1_000)
  addresses.forget(60_999)
  expect(addresses.size).toBe(1)
  addresses.forget(61_000)
  expect(addresses.size).toBe(0)
})

test('what is remembered of addresses that left is bounded, and those with a socket stay', () => {
  const addresses = new AddressTable(DEFAULT_LIMITS)
  const kept = addresses.enter('kept', 0)
  for (let count = 0; count < 20_000; count++) addresses.leave(addresses.enter(String(count), 0), 0)
  expect(addresses.size).toBe(16_385)
  expect(addresses.enter('kept', 0)).toBe(kept)
})
