import { SimulatedClock, until } from '@usmp/testing'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Relay, type RelayOptions, startRelay } from '../../src/server.ts'
import { CloseCode, encodeJoin, MAX_RELAYED, RelayMessage } from '../../src/wire.ts'
import { circuit, joinOf, newRoute, TestPeer } from './test-peer.ts'

let relay: Relay | undefined
afterEach(async () => {
  await relay?.close()
})

async function start(options: Partial<RelayOptions> = {}): Promise<Relay> {
  relay = await startRelay({ port: 0, open: true, limits: { joinsPerSecond: 1e6, joinBurst: 1e6 }, ...options })
  return relay
}

test('two peers meet, whoever comes first, and what they send arrives as it is', async () => {
  const { url } = await start()
  for (const side of [0, 1] as const) {
    const route = newRoute()
    const first = await TestPeer.waiting(url, { route, side })
    const second = await TestPeer.join(url, { route, side: side === 0 ? 1 : 0 })
    await Promise.all([first.expect(RelayMessage.PEER), second.expect(RelayMessage.PEER)])
    for (const size of [1, 125, 126, MAX_RELAYED]) {
      const message = Buffer.alloc(size, size)
      first.send(message)
      expect(await second.next()).toEqual(message)
      second.send(message)
      expect(await first.next()).toEqual(message)
    }
    await first.close()
    expect(await second.closed).toEqual({ code: CloseCode.PEER_GONE, reason: 'the other peer has gone' })
  }
})

test('messages of one moment keep their order', async () => {
  const { url } = await start()
  const [first, second] = await circuit(url)
  const sent = Array.from({ length: 500 }, (_, index) => Buffer.from(`message ${index}`))
  for (const message of sent) first.send(message)
  for (const message of sent) expect(await second.next()).toEqual(message)
})

test('what was sent before the end arrives before the end', async () => {
  const { url } = await start()
  const [first, second] = await circuit(url)
  for (let index = 0; index < 100; index++) first.send(Buffer.alloc(MAX_RELAYED, index))
  await first.close()
  expect((await second.closed).code).toBe(CloseCode.PEER_GONE)
  expect(second.received.map((message) => message[0])).toEqual(Array.from({ length: 100 }, (_, index) => index))
})

test('equal sides are never joined: the newer socket replaces the older', async () => {
  const { url } = await start()
  const route = newRoute()
  const older = await TestPeer.waiting(url, { route, side: 1 })
  const newer = await TestPeer.waiting(url, { route, side: 1 })
  expect(await older.closed).toEqual({ code: CloseCode.TAKEN, reason: 'a newer socket has this side of the route' })
  const other = await TestPeer.join(url, { route, side: 0 })
  await Promise.all([newer.expect(RelayMessage.PEER), other.expect(RelayMessage.PEER)])
})

test('a third peer on the route of a session: all are told, and the newer socket waits', async () => {
  const { url } = await start()
  const route = newRoute()
  const [first, second] = await circuit(url, { route })
  const third = await TestPeer.waiting(url, { route, side: 0 })
  expect((await first.closed).code).toBe(CloseCode.TAKEN)
  expect(await second.closed).toEqual({ code: CloseCode.PEER_GONE, reason: 'the other peer came again' })
  const again = await TestPeer.join(url, { route, side: 1 })
  await Promise.all([third.expect(RelayMessage.PEER), again.expect(RelayMessage.PEER)])
})

test('a socket of a route is replaced once a second', async () => {
  const clock = new SimulatedClock()
  const { url } = await start({ clock })
  const route = newRoute()
  await TestPeer.waiting(url, { route, side: 0 })
  const second = await TestPeer.waiting(url, { route, side: 0 })
  const third = await TestPeer.join(url, { route, side: 0 })
  expect((await third.closed).code).toBe(CloseCode.LIMIT)
  expect((await third.closed).reason).toContain('once a second')
  clock.advance(1_000)
  const fourth = await TestPeer.waiting(url, { route, side: 0 })
  expect((await second.closed).code).toBe(CloseCode.TAKEN)
  // Meeting the other side does not make the relay forget.
  await TestPeer.join(url, { route, side: 1 })
  await fourth.expect(RelayMessage.PEER)
  const fifth = await TestPeer.join(url, { route, side: 0 })
  expect((await fifth.closed).code).toBe(CloseCode.LIMIT)
})

test('a second guest of a pairing ends it for all three, and the host is told', async () => {
  const { url } = await start()
  const route = newRoute()
  const [host, guest] = await circuit(url, { route, pairing: true })
  const second = await TestPeer.join(url, { route, side: 1, pairing: true })
  const told = { code: CloseCode.TAKEN, reason: 'a second guest came on the route of this pairing' }
  expect(await Promise.all([host.closed, guest.closed, second.closed])).toEqual([told, told, told])
})

test('two guests without a host get nowhere; a host that dials again replaces its older socket', async () => {
  const { url } = await start()
  const route = newRoute()
  const guest = await TestPeer.waiting(url, { route, side: 1, pairing: true })
  const second = await TestPeer.join(url, { route, side: 1, pairing: true })
  expect((await guest.closed).code).toBe(CloseCode.TAKEN)
  expect((await second.closed).code).toBe(CloseCode.TAKEN)
  const host = await TestPeer.waiting(url, { route, side: 0, pairing: true })
  await TestPeer.waiting(url, { route, side: 0, pairing: true })
  expect((await host.closed).code).toBe(CloseCode.TAKEN)
})

test('pairing routes and session routes of the same bytes do not meet', async () => {
  const { url } = await start()
  const route = newRoute()
  await TestPeer.waiting(url, { route, side: 0, pairing: true })
  await TestPeer.waiting(url, { route, side: 1, pairing: false })
})

test('what is no JOIN, comes before the other peer, is a text, empty or too long ends with a word', async () => {
  const { url } = await start()
  const route = newRoute()
  const noJoin = await TestPeer.open(url)
  noJoin.send(Uint8Array.of(1, 2, 3))
  expect(await noJoin.closed).toEqual({ code: 1008, reason: 'the first message is no JOIN of version 1' })
  const hasty = await TestPeer.waiting(url, { route, side: 0 })
  hasty.send(Uint8Array.of(1))
  expect(await hasty.closed).toEqual({ code: 1008, reason: 'a message before the other peer is here' })
  const cases = [
    { message: 'text', code: CloseCode.NOT_BINARY },
    { message: new Uint8Array(), code: CloseCode.NOT_BINARY },
    { message: new Uint8Array(MAX_RELAYED + 1), code: CloseCode.TOO_LONG },
    { message: new Uint8Array(10_000), code: CloseCode.TOO_LONG },
  ]
  for (const { message, code } of cases) {
    const [first, second] = await circuit(url)
    first.send(message)
    expect((await first.closed).code).toBe(code)
    expect((await second.closed).code).toBe(CloseCode.PEER_GONE)
    expect(second.received).toEqual([])
  }
})

test('JOIN has 2 s, and its peer 10 minutes or 24 hours', async () => {
  const clock = new SimulatedClock()
  const { url } = await start({ clock })
  const silent = await TestPeer.open(url)
  const guest = await TestPeer.waiting(url, { route: newRoute(), side: 1, pairing: true })
  const session = await TestPeer.waiting(url, { route: newRoute(), side: 1 })
  for (const peer of [guest, session]) peer.webSocket.on('ping', () => {})
  clock.advance(1_900)
  expect(silent.webSocket.readyState).toBe(WebSocket.OPEN)
  clock.advance(600)
  expect(await silent.closed).toEqual({ code: 1008, reason: 'no JOIN within 2 s' })
  // Pongs need real time: the clock goes on when each ping has been answered.
  await advanceWithPings(clock, [guest, session], 600_000)
  expect(await guest.closed).toEqual({ code: 4008, reason: 'the other peer did not come within 600 s' })
  expect(session.webSocket.readyState).toBe(WebSocket.OPEN)
})

/** Lets time pass for peers that answer each ping. */
async function advanceWithPings(clock: SimulatedClock, peers: TestPeer[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 25_000) {
    clock.advance(25_000)
    for (const peer of peers) if (peer.webSocket.readyState === WebSocket.OPEN) await roundTrip(peer)
  }
}

/** Once this is over, the relay has read all that the peer sent. */
async function roundTrip({ webSocket }: TestPeer): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      webSocket.off('pong', done).off('close', done)
      resolve()
    }
    webSocket.on('pong', done).on('close', done)
    webSocket.ping()
  })
}

test('a socket from which nothing comes after two pings is cut, and one that answers is not', async () => {
  const clock = new SimulatedClock()
  const { url } = await start({ clock })
  const route = newRoute()
  const dead = await TestPeer.open(url, { autoPong: false })
  dead.send(encodeJoin(joinOf({ route, side: 0 })))
  await dead.expect(RelayMessage.WAITING)
  const alive = await TestPeer.join(url, { route, side: 1 })
  await alive.expect(RelayMessage.PEER)
  for (let ping = 0; ping < 2; ping++) {
    clock.advance(25_500)
    await roundTrip(alive)
  }
  expect(dead.webSocket.readyState).toBe(WebSocket.OPEN)
  clock.advance(25_500)
  expect((await dead.closed).code).toBe(1006)
  expect((await alive.closed).code).toBe(CloseCode.PEER_GONE)
})

test('a peer that does not answer a close is cut', async () => {
  const clock = new SimulatedClock()
  const { url } = await start({ clock })
  const peer = await TestPeer.open(url)
  peer.webSocket.pause()
  clock.advance(2_500)
  expect(relay!.metrics()).toContain('usmp_relay_sockets 1')
  clock.advance(2_500)
  await expect.poll(() => relay!.metrics(), { timeout: 60_000 }).toContain('usmp_relay_sockets 0')
  peer.webSocket.resume()
  await peer.closed
})

test('after a stall of the process there is one ping, and nobody is cut for the time', async () => {
  let [ahead, checks] = [0, 0]
  const clock = {
    now: () => performance.now() + ahead,
    setTimer: (callback: () => void) => {
      checks++
      return setTimeout(callback, 1)
    },
    clearTimer: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
  }
  const { url } = await start({ clock })
  const [first, second] = await circuit(url)
  let pings = 0
  first.webSocket.on('ping', () => pings++)
  ahead = 200_000
  const before = checks
  await until(() => checks > before + 20)
  await roundTrip(first)
  expect(pings).toBe(1)
  first.send(Uint8Array.of(7))
  await second.expect(7)
})
