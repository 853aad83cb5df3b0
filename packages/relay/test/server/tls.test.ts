import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { turns, until } from '@usmp/testing'
import { makeCertificate } from '@usmp/testing/certificate'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { type Relay, type RelayTls, startRelay } from '../../src/server.ts'
import { RelayMessage } from '../../src/wire.ts'
import { newRoute, TestPeer } from './test-peer.ts'

type Certificate = Awaited<ReturnType<typeof makeCertificate>>
let [own, client, stranger]: Certificate[] = []
let relay: Relay

beforeAll(async () => {
  ;[own, client, stranger] = await Promise.all([makeCertificate(), makeCertificate(), makeCertificate()])
})
afterEach(() => relay.close())

async function start(more: Partial<RelayTls> = {}, host?: string): Promise<void> {
  relay = await startRelay({ port: 0, open: true, tls: { ...own!, ...more }, ...(host ? { host } : {}) })
}

/** How an attempt to join ends: `waiting`, the status of HTTP, or the error. */
async function attempt(options: ClientOptions): Promise<string> {
  const peer = new TestPeer(`wss://127.0.0.1:${relay.url.port}/relay`, { ca: own!.cert, ...options })
  const refused = once(peer.webSocket, 'unexpected-response').then(([, { statusCode }]) => `status ${statusCode}`)
  const failed = new Promise<string>((resolve) =>
    peer.webSocket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)),
  )
  const opened = peer.opened.then(async () => {
    peer.join({ route: newRoute(), side: 0 })
    await peer.expect(RelayMessage.WAITING)
    return 'waiting'
  })
  opened.catch(() => {})
  return Promise.race([opened, refused, failed])
}

function pinOf({ cert }: Certificate): string {
  const key = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('hex')
}

test('peers come over TLS, and those who do not know the certificate do not', async () => {
  await start({}, '0.0.0.0')
  expect(relay.url.protocol).toBe('wss:')
  expect(await attempt({})).toBe('waiting')
  expect(await attempt({ ca: stranger!.cert })).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY/)
  const plain = new WebSocket(`ws://127.0.0.1:${relay.url.port}/relay`, 'usmp-relay.1')
  const [error] = await once(plain, 'error')
  expect(error).toBeInstanceOf(Error)
})

test('with an authority a certificate of it is needed', async () => {
  await start({ clientCa: client!.cert })
  expect(await attempt(client!)).toBe('waiting')
  expect(await attempt(stranger!)).not.toMatch(/waiting|status/)
  expect(await attempt({})).not.toMatch(/waiting|status/)
})

test('with pins a certificate with one of their keys is needed, whoever signed it', async () => {
  await start({ clientPins: [pinOf(client!).toUpperCase()] })
  expect(await attempt(client!)).toBe('waiting')
  expect(await attempt(stranger!)).toBe('status 403')
  expect(await attempt({})).toBe('status 403')
})

test('with both, both are needed', async () => {
  await start({ clientCa: client!.cert, clientPins: [pinOf(client!)] })
  expect(await attempt(client!)).toBe('waiting')
  await relay.close()
  await start({ clientCa: stranger!.cert, clientPins: [pinOf(client!)] })
  expect(await attempt(stranger!)).toBe('status 403')
  expect(await attempt(client!)).not.toMatch(/waiting|status/)
  expect(await attempt({})).not.toMatch(/waiting|status/)
})

test('a pin that is none is refused at the start', async () => {
  await start()
  const second = startRelay({ port: 0, open: true, tls: { ...own!, clientPins: ['sha256/abc'] } })
  await expect(second).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: '"sha256/abc" is no pin' })
})

test('over TLS too a slow receiver gets all, in order', async () => {
  await start({ clientPins: [pinOf(client!)] })
  const options = { ca: own!.cert, ...client! }
  const route = newRoute()
  const peers = await Promise.all([TestPeer.open(relay.url, options), TestPeer.open(relay.url, options)])
  for (const [side, peer] of peers.entries()) peer.join({ route, side: side as 0 | 1 })
  const [sender, receiver] = peers
  await until(() => relay.metrics().includes('usmp_relay_circuits 1\n'))
  await Promise.all(peers.map((peer) => peer.until(RelayMessage.PEER)))
  receiver.webSocket.pause()
  const sent = Array.from({ length: 1_000 }, (_, index) => Buffer.alloc(200, index))
  for (const message of sent) sender.send(message)
  await turns(50)
  receiver.webSocket.resume()
  for (const message of sent) expect(await receiver.next()).toEqual(message)
})

test('who connects and says nothing does not keep the relay from stopping', async () => {
  await start()
  const silent = connect(Number(relay.url.port), '127.0.0.1').on('error', () => {})
  await once(silent, 'connect')
  const closed = once(silent.resume(), 'close')
  await relay.close()
  await closed
})
