import { randomBytes } from 'node:crypto'
import { fromHex, type Session } from '@usmp/core'
import { type ConnectOptions, connect, type ListenOptions, listen, type Server } from '@usmp/node'
import { LossyRelay, type RelayConditions } from '@usmp/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { type PeerOptions, PublishedPeer } from '../src/published-peer.js'

const newest = '1.2.2'
/** Those that speak wire version 2 over UDP. */
const releases = ['1.2.2', '1.1.0', '1.0.0']
const sizes = [0, 1, 452, 453, 1808]
const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const otherPsk = new Uint8Array(randomBytes(32))

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop()
})

function startPeer(options: Partial<PeerOptions>): PublishedPeer {
  const peer = PublishedPeer.start({ release: newest, role: 'client', transport: 'udp', psk, ...options })
  running.push(peer)
  return peer
}

async function startServer(options: Partial<ListenOptions> = {}): Promise<Server> {
  const server = await listen({ udp: { host: '127.0.0.1', port: 0 }, psk: { [deviceId]: psk }, ...options })
  running.push({ stop: () => server.close() })
  return server
}

async function startRelay(to: number, conditions: RelayConditions): Promise<LossyRelay> {
  const relay = await LossyRelay.start(to, conditions)
  console.log(`relay: seed ${relay.seed}`)
  running.push(relay)
  return relay
}

async function connectTo(port: number, options: Partial<ConnectOptions> = {}): Promise<Session> {
  const session = await connect(`usmp+udp://127.0.0.1:${port}`, { deviceId, psk, ...options })
  running.push({ stop: () => session.close() })
  return session
}

/** Our client and a published server, over a network that is good unless `conditions` say otherwise. */
async function connectToPeer(
  peerOptions: Partial<PeerOptions> = {},
  options: Partial<ConnectOptions> = {},
  conditions?: RelayConditions,
): Promise<{ peer: PublishedPeer; session: Session }> {
  const peer = startPeer({ role: 'server', ...peerOptions })
  const { port } = await peer.next('listening')
  const through = conditions ? (await startRelay(port!, conditions)).port : port!
  const session = await connectTo(through, options)
  await peer.next('connected')
  return { peer, session }
}

async function acceptPeer(
  peerOptions: Partial<PeerOptions> = {},
  options: Partial<ListenOptions> = {},
  conditions?: RelayConditions,
): Promise<{ peer: PublishedPeer; session: Session; server: Server }> {
  const server = await startServer(options)
  const port = conditions ? (await startRelay(server.udpPort, conditions)).port : server.udpPort
  const sessions = server[Symbol.asyncIterator]()
  const peer = startPeer({ role: 'client', port, deviceId, ...peerOptions })
  const session = (await sessions.next()).value as Session
  await peer.next('connected')
  return { peer, session, server }
}

const message = (size: number, seed = size) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) & 0xff)
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

async function exchangeAllSizes(session: Session, peer: PublishedPeer): Promise<void> {
  for (const size of sizes) {
    await session.send(message(size))
    expect(fromHex((await peer.next('message')).hex!)).toEqual(message(size))
    await peer.send(message(size))
    expect(await session.receive()).toEqual(message(size))
  }
}

describe.each(releases)('UDP, published release %s', (release) => {
  test('our client, its server: messages of all sizes both ways, and a BYE of ours', async () => {
    const { peer, session } = await connectToPeer({ release })
    await exchangeAllSizes(session, peer)
    await session.close()
    expect((await peer.next('closed')).reason).toBe('bye')
  })

  test('our server, its client: messages of all sizes both ways, and a BYE of its', async () => {
    const { peer, session } = await acceptPeer({ release })
    await exchangeAllSizes(session, peer)
    await peer.command('bye')
    expect((await session.closed).code).toBe('CLOSED')
    expect(await session.receive()).toBeUndefined()
  })
})

describe(`UDP, published release ${newest}`, () => {
  test('several messages of ours are under way at once: all arrive, once', async () => {
    const { peer, session } = await connectToPeer()
    const count = 60
    for (let i = 0; i < count; i++) await session.send(message(i + 1))
    const got = []
    for (let i = 0; i < count; i++) got.push((await peer.next('message')).hex)
    expect(got).toEqual(Array.from({ length: count }, (_, i) => hexOf(message(i + 1))))
  })

  test('its echo comes back while we send', async () => {
    const { session } = await connectToPeer({ echo: true })
    const sending = (async () => {
      for (let i = 0; i < 40; i++) await session.send(message(i * 45))
    })()
    for (let i = 0; i < 40; i++) expect(await session.receive()).toEqual(message(i * 45))
    await sending
  })

  test('PING of both', async () => {
    const { peer, session } = await connectToPeer()
    expect(await session.ping()).toBeGreaterThan(0)
    await peer.command('ping')
    await session.send('and on')
    expect((await peer.next('message')).hex).toBe(hexOf(new TextEncoder().encode('and on')))
  })

  test('its REKEY is followed', async () => {
    const { peer, session } = await connectToPeer()
    await peer.send(message(5))
    expect(await session.receive()).toEqual(message(5))
    await peer.command('rekey')
    await exchangeAllSizes(session, peer)
  })

  test.each([
    ['a wrong key', { psk: otherPsk }, 'AUTH_FAILED'],
    ['an unknown device', { deviceId: '11:22:33:44:55:66' }, 'UNKNOWN_DEVICE'],
  ] as const)('its client with %s is not let in by our server, which says why', async (_, wrong, code) => {
    const server = await startServer({ handshakeTimeout: 3_000 })
    const refused = new Promise<string>((resolve) =>
      server.addEventListener('refused', ({ error }) => resolve(error.code)),
    )
    startPeer({ role: 'client', port: server.udpPort, deviceId, ...wrong })
    expect(await refused).toBe(code)
    expect(server.sessions).toEqual([])
  })

  test.each([
    ['a wrong key', { psk: otherPsk }],
    ['an unknown device', { deviceId: '11:22:33:44:55:66' }],
  ])('our client with %s is not let in by its server', async (_, wrong) => {
    const peer = startPeer({ role: 'server', table: { [deviceId]: psk }, psk: undefined as never })
    const { port } = await peer.next('listening')
    await expect(connectTo(port!, { ...wrong, handshakeTimeout: 2_000 })).rejects.toMatchObject({
      code: 'HANDSHAKE_TIMEOUT',
    })
  })
})

/**
 * Conditions that the five sends of published peers survive nearly always; the relay prints the seed. Nothing is corrupted:
 * published receivers acknowledge a frame before they look at its checksum, and so lose silently what was changed on the way.
 */
const BAD: RelayConditions = {
  loss: 0.05,
  duplication: 0.05,
  reordering: 0.05,
  delay: 5,
  jitter: 3,
  seed: 20_261,
}

describe('UDP through a lossy relay', () => {
  // 600 messages, most of them in fragments that go one by one: with every tenth datagram or acknowledgement lost, each loss a
  // pause that grows to seconds, a run takes from 10 to 60 s.
  test('ours with ours: 300 messages of every size each way, in order', { timeout: 600_000 }, async () => {
    const server = await startServer()
    const relay = await startRelay(server.udpPort, { ...BAD, corruption: 0.02 })
    const accepted = server[Symbol.asyncIterator]().next()
    const client = await connectTo(relay.port)
    const other = (await accepted).value as Session
    const send = async (session: Session) => {
      for (let i = 0; i < 300; i++) await session.send(message((i * 61) % 1809, i))
    }
    const receive = async (session: Session) => {
      for (let i = 0; i < 300; i++) expect(await session.receive()).toEqual(message((i * 61) % 1809, i))
    }
    await Promise.all([send(client), send(other), receive(client), receive(other)])
    await client.rekey()
    await client.send('under new keys')
    expect(await other.receive()).toEqual(new TextEncoder().encode('under new keys'))
    await client.close()
    expect((await other.closed).code).toBe('CLOSED')
    running.splice(running.indexOf(relay), 1)
    const counts = await relay.stop()
    expect(counts.lost).toBeGreaterThan(20)
    expect(counts.duplicated).toBeGreaterThan(20)
    expect(counts.reordered).toBeGreaterThan(20)
  })

  test('our client and the published server: one under way keeps the order', async () => {
    const { peer, session } = await connectToPeer({}, { datagram: { maxInFlight: 1 } }, BAD)
    const got: (string | undefined)[] = []
    for (let i = 0; i < 40; i++) await session.send(message(i * 40))
    for (let i = 0; i < 40; i++) got.push((await peer.next('message')).hex)
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => hexOf(message(i * 40))))
    for (let i = 0; i < 20; i++) await peer.send(message(i * 90))
    for (let i = 0; i < 20; i++) expect(await session.receive()).toEqual(message(i * 90))
  })

  test('our client and the published server: with several under way each message arrives once, in some order', async () => {
    const { peer, session } = await connectToPeer({}, {}, BAD)
    for (let i = 0; i < 80; i++) await session.send(message(i + 1))
    const got: (string | undefined)[] = []
    for (let i = 0; i < 80; i++) got.push((await peer.next('message')).hex)
    expect(got.sort()).toEqual(Array.from({ length: 80 }, (_, i) => hexOf(message(i + 1))).sort())
  })

  test('the published client and our server: all in order', async () => {
    const { peer, session } = await acceptPeer({}, {}, BAD)
    for (let i = 0; i < 40; i++) {
      await peer.send(message(i * 45))
      expect(await session.receive()).toEqual(message(i * 45))
    }
    for (let i = 0; i < 20; i++) {
      await session.send(message(i * 90))
      expect((await peer.next('message')).hex).toBe(hexOf(message(i * 90)))
    }
  })
})
