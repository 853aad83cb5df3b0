import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { DEFAULT_LIMITS, type Relay, type RelayOptions, startRelay } from '../../src/server.ts'
import { CloseCode, RelayMessage } from '../../src/wire.ts'
import { circuit, newRoute, TestPeer } from './test-peer.ts'

let relay: Relay | undefined
afterEach(async () => {
  await relay?.close()
  relay = undefined
})

async function start(options: Partial<RelayOptions> = {}): Promise<Relay> {
  relay = await startRelay({ port: 0, open: true, ...options })
  return relay
}

const page = (path: string, init?: RequestInit) => fetch(new URL(path, relay!.url.href.replace(/^ws/, 'http')), init)

test('limits are told to everybody, with their defaults', async () => {
  await start({ limits: { circuits: 5 } })
  const response = await page('/limits')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  expect(await response.json()).toEqual({
    subprotocol: 'usmp-relay.1',
    token: 'none',
    maxMessage: 492,
    limits: { ...DEFAULT_LIMITS, circuits: 5 },
  })
  expect(relay!.limits).toMatchObject({ pairingWait: 600, sessionWait: 86_400, circuits: 5 })
  await relay!.close()
  relay = await startRelay({ port: 0, tokenKey: new Uint8Array(32) })
  expect(await (await page('/limits')).json()).toMatchObject({ token: 'needed' })
})

test('it tells that it is well, and knows few paths', async () => {
  await start()
  expect(await (await page('/healthz')).text()).toBe('ok\n')
  expect((await page('/healthz', { method: 'HEAD' })).status).toBe(200)
  expect((await page('/healthz', { method: 'POST', body: 'x' })).status).toBe(405)
  expect((await page('/relay')).status).toBe(426)
  for (const path of ['/', '/metrics', '/toString', '/limits/', '/../etc/passwd']) {
    expect((await page(path)).status, path).toBe(404)
  }
})

test('metrics exist where they are asked for, and tell no route and no address', async () => {
  await start({ metrics: true })
  const route = newRoute()
  const [first, second] = await circuit(relay!.url, { route })
  first.send(Buffer.alloc(100))
  await second.next()
  await TestPeer.waiting(relay!.url, { route: newRoute(), side: 0 })
  const response = await page('/metrics')
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
  const text = await response.text()
  expect(text).toBe(relay!.metrics())
  for (const line of ['sockets 3', 'waiting 1', 'circuits 1', 'joins_total 3', 'messages_total 1', 'bytes_total 100']) {
    expect(text).toContain(`usmp_relay_${line}\n`)
  }
  await first.close()
  await second.closed
  expect(relay!.metrics()).toContain('usmp_relay_closes_total{code="4009"} 1')
  expect(text).not.toContain('127.0.0.1')
  for (const form of ['hex', 'base64', 'latin1'] as const) expect(text).not.toContain(Buffer.from(route).toString(form))
})

test('metrics have a listener of their own on request', async () => {
  await start({ metrics: { port: 0 } })
  expect((await page('/metrics')).status).toBe(404)
  expect(relay!.metricsUrl!.hostname).toBe('127.0.0.1')
  expect(await (await fetch(relay!.metricsUrl!)).text()).toContain('usmp_relay_sockets 0')
  expect((await fetch(new URL('/limits', relay!.metricsUrl))).status).toBe(404)
})

/** The status with which an upgrade is refused. */
async function upgradeStatus(url: string, protocols: string[]): Promise<number> {
  const webSocket = new WebSocket(url, protocols)
  webSocket.on('error', () => {})
  const [, response] = await once(webSocket, 'unexpected-response')
  return response.statusCode
}

test('a WebSocket needs the path and the subprotocol', async () => {
  const { url } = await start()
  expect(await upgradeStatus(`ws://${url.host}/other`, ['usmp-relay.1'])).toBe(404)
  expect(await upgradeStatus(url.href, [])).toBe(400)
  expect(await upgradeStatus(url.href, ['usmp-relay.2'])).toBe(400)
  const peer = new WebSocket(`${url.href}?s=3f`, ['other', 'usmp-relay.1'])
  await once(peer, 'open')
  expect(peer.protocol).toBe('usmp-relay.1')
  peer.terminate()
})

test('bytes that are no HTTP, and broken WebSocket frames, harm nobody', async () => {
  const { url } = await start()
  const upgrade =
    `GET /relay HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: usmp-relay.1\r\n\r\n`
  const inputs = [
    Buffer.from('nonsense\r\n\r\n'),
    Buffer.from('GET /relay HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    Buffer.concat([Buffer.from(upgrade), Buffer.of(0x82, 0x05, 1, 2, 3, 4, 5)]),
    Buffer.concat([Buffer.from(upgrade), Buffer.of(0xff, 0xff)]),
    Buffer.concat([
      Buffer.from(upgrade),
      Buffer.of(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
    ]),
    Buffer.concat([Buffer.from(upgrade), Buffer.of(0x88, 0x81, 0, 0, 0, 0, 0)]),
  ]
  for (const input of inputs) {
    const socket = connect(Number(url.port), '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.end(input)
    await once(socket, 'close')
  }
  const [first, second] = await circuit(url)
  first.send(Uint8Array.of(7))
  await second.expect(7)
})

test('when it stops, everybody is told, and the port is free for the next one', async () => {
  const { url } = await start()
  const route = newRoute()
  const [first, second] = await circuit(url, { route })
  const waiting = await TestPeer.waiting(url, { route: newRoute(), side: 0 })
  const silent = connect(Number(url.port), '127.0.0.1')
  await once(silent, 'connect')
  const cut = once(silent.on('error', () => {}).resume(), 'close')
  await relay!.close()
  const told = { code: CloseCode.RESTART, reason: 'the relay stops; dial again' }
  expect(await Promise.all([first.closed, second.closed, waiting.closed])).toEqual([told, told, told])
  await cut
  await relay!.close()
  await start({ port: Number(url.port) })
  const [again, other] = await circuit(relay!.url, { route })
  again.send(Uint8Array.of(1))
  await other.expect(1)
  expect(relay!.url.href).toBe(url.href)
})

test('a port that is taken is told, with what was tried', async () => {
  const { url } = await start()
  const second = startRelay({ port: Number(url.port), open: true })
  await expect(second).rejects.toMatchObject({
    name: 'RelayError',
    code: 'TRANSPORT_FAILED',
    message: expect.stringContaining(`127.0.0.1, port ${url.port}`),
  })
  const metrics = startRelay({ port: 0, open: true, metrics: { port: Number(url.port) } })
  await expect(metrics).rejects.toMatchObject({ code: 'TRANSPORT_FAILED' })
})

test.each([
  ['nobody is said to be let in', {}, 'who may use'],
  ['a key and open', { open: true, tokenKey: new Uint8Array(32) }, 'not open to everybody'],
  ['a short key', { tokenKey: new Uint8Array(31) }, 'fewer than 32 bytes'],
  ['no TLS and all addresses', { open: true, host: '0.0.0.0' }, 'without TLS'],
  ['no TLS and a name', { open: true, host: 'relay.example.org' }, 'without TLS'],
  ['a port that is none', { open: true, port: 70_000 }, 'no port'],
  ['a limit that is none', { open: true, limits: { joins: 1 } as object }, 'no limit "joins"'],
  ['a limit of nothing', { open: true, limits: { circuits: 0 } }, '"circuits" is 0'],
  ['certificates that are none', { open: true, tls: { cert: 'x', key: 'y' } }, 'TLS cannot use'],
])('it does not start with %s', async (_what, options: RelayOptions, words) => {
  await expect(startRelay({ port: 0, ...options })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(words),
    hint: expect.stringMatching(/\.$/),
  })
})

test('it listens on IPv6 too', async () => {
  const { url } = await start({ host: '::1' })
  expect(url.href).toMatch(/^ws:\/\/\[::1\]:\d+\/relay$/)
  const peer = await TestPeer.join(url, { route: newRoute(), side: 0 })
  await peer.expect(RelayMessage.WAITING)
})
