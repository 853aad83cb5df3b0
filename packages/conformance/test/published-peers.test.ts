import { randomBytes } from 'node:crypto'
import { CipherSuite, fromHex, nobleProvider, type Session } from '@usmp/core'
import { type ConnectOptions, connect, type ListenOptions, listen, nodeProvider, type Server } from '@usmp/node'
import { afterEach, describe, expect, test } from 'vitest'
import { type PeerOptions, PublishedPeer } from '../src/published-peer.js'

/** Of each generation of wire version 2 the newest release, see docs/published-peers.md. */
const releases = ['1.2.2', '1.1.0', '1.0.0']
const newest = '1.2.2'
/** The newest release of wire version 1 whose macs cover the public keys. */
const oldest = '0.5.1'
const sizes = [0, 1, 452, 453, 1808]
const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const suites = [
  { name: 'AES-256-GCM', suite: CipherSuite.AES_256_GCM, peerSuite: 'aes' },
  { name: 'ChaCha20-Poly1305', suite: CipherSuite.CHACHA20_POLY1305, peerSuite: 'chacha' },
] as const
const providers = [nodeProvider, nobleProvider]

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop()
})

function startPeer(options: PeerOptions): PublishedPeer {
  const peer = PublishedPeer.start(options)
  running.push(peer)
  return peer
}

async function startServer(options: Partial<ListenOptions> = {}): Promise<Server> {
  const server = await listen({
    tcp: { host: '127.0.0.1', port: 0 },
    psk: { [deviceId]: psk },
    ...options,
  } as ListenOptions)
  running.push({ stop: () => server.close() })
  return server
}

async function firstSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('no session')
}

/** A peer that is a server, and a session of ours with it. */
async function connectToPeer(
  peerOptions: Partial<PeerOptions> = {},
  options: Partial<ConnectOptions> = {},
): Promise<{ peer: PublishedPeer; session: Session }> {
  const peer = startPeer({ release: newest, role: 'server', psk, ...peerOptions })
  const { port } = await peer.next('listening')
  const session = await connect(`usmp://127.0.0.1:${port}`, { deviceId, psk, ...options })
  running.push({ stop: () => session.close() })
  return { peer, session }
}

/** A server of ours, and a peer that is its client. */
async function acceptPeer(
  options: Partial<ListenOptions> = {},
  peerOptions: Partial<PeerOptions> = {},
): Promise<{ peer: PublishedPeer; session: Session; sessionId: string | undefined }> {
  const server = await startServer(options)
  const peer = startPeer({ release: newest, role: 'client', port: server.port, deviceId, psk, ...peerOptions })
  const session = await firstSession(server)
  // It takes commands only when it has seen SESSION_OK.
  const { session_id: sessionId } = await peer.next('connected')
  return { peer, session, sessionId }
}

function message(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 0xff)
}

/** Both ways, all sizes: ours to the peer, and the peer's to us. */
async function exchangeAllSizes(session: Session, peer: PublishedPeer): Promise<void> {
  for (const size of sizes) {
    await session.send(message(size))
    expect(fromHex((await peer.next('message')).hex!)).toEqual(message(size))
    await peer.send(message(size))
    expect(await session.receive()).toEqual(message(size))
  }
}

/** A published peer loses what crosses its REKEY, so nothing may: its next message shows that we have the new keys. */
async function rekeyPeer(session: Session, peer: PublishedPeer): Promise<void> {
  await peer.command('rekey')
  await peer.send(message(2))
  expect(await session.receive()).toEqual(message(2))
}

function refusal(server: Server): Promise<string> {
  return new Promise((resolve) => server.addEventListener('refused', ({ error }) => resolve(error.code)))
}

for (const provider of providers) {
  describe(`cryptography of ${provider.name}`, () => {
    for (const { name, suite, peerSuite } of suites) {
      test(`our client and the published server (${newest}) exchange messages of all sizes under ${name}`, async () => {
        const { peer, session } = await connectToPeer({ suite: peerSuite }, { suite, provider })
        const connected = await peer.next('connected')
        expect(connected.device_id).toBe(deviceId)
        expect(connected.session_id).toBe(session.sessionId)
        await exchangeAllSizes(session, peer)
      })

      test(`our server and the published client (${newest}) exchange messages of all sizes under ${name}`, async () => {
        const { peer, session, sessionId } = await acceptPeer({ suite, provider }, { suite: peerSuite })
        expect(sessionId).toBe(session.sessionId)
        expect(session.deviceId).toBe(deviceId)
        await exchangeAllSizes(session, peer)
      })
    }
  })
}

for (const release of releases.slice(1)) {
  test(`our client and the published server of release ${release} exchange messages of all sizes`, async () => {
    const { peer, session } = await connectToPeer({ release })
    await exchangeAllSizes(session, peer)
  })

  test(`our server and the published client of release ${release} exchange messages of all sizes`, async () => {
    const { peer, session } = await acceptPeer({}, { release })
    await exchangeAllSizes(session, peer)
  })
}

describe('life of a session', () => {
  test('a hundred messages echoed by the published server come back whole and in order', async () => {
    const { session } = await connectToPeer({ echo: true })
    const count = 100
    const sending = (async () => {
      for (let i = 0; i < count; i++) await session.send(message(i * 18))
    })()
    for (let i = 0; i < count; i++) expect(await session.receive()).toEqual(message(i * 18))
    await sending
  })

  test('the published server answers our PING', async () => {
    const { session } = await connectToPeer()
    expect(await session.ping()).toBeGreaterThan(0)
  })

  test('we answer the PING of the published client, and its messages go on', async () => {
    const { peer, session } = await acceptPeer()
    for (let i = 0; i < 5; i++) await peer.command('ping')
    await peer.send(message(9))
    expect(await session.receive()).toEqual(message(9))
    expect(session.signal.aborted).toBe(false)
  })

  test('our keepalive PINGs keep the session with the published server alive', async () => {
    const { peer, session } = await connectToPeer({}, { keepalive: 300, idleTimeout: 1000 })
    await new Promise((resolve) => setTimeout(resolve, 2500))
    await session.send(message(3))
    expect((await peer.next('message')).hex).toBe(Buffer.from(message(3)).toString('hex'))
  })

  test('a published device that sends 80 readings at once keeps its session with a slow application of ours', async () => {
    // Fifty times as fast as in life: 50 ms for each reading instead of 2.5 s, and an idle limit of 1 s.
    const { peer, session } = await acceptPeer({ keepalive: 300, idleTimeout: 1_000 })
    for (let i = 0; i < 80; i++) await peer.send(message(i))
    await peer.command('ping')
    for (let i = 0; i < 80; i++) {
      expect(await session.receive()).toEqual(message(i))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(session.signal.aborted).toBe(false)
    await session.ping()
    await peer.send(message(9))
    expect(await session.receive()).toEqual(message(9))
  })

  test('our BYE ends the session at the published server', async () => {
    const { peer, session } = await connectToPeer()
    await session.close()
    expect((await peer.next('closed')).reason).toBe('bye')
  })

  test('our BYE ends the session at the published client', async () => {
    const { peer, session } = await acceptPeer()
    await session.close()
    expect((await peer.next('closed')).reason).toBe('bye')
  })

  test('the BYE of the published server is a good end here', async () => {
    const { peer, session } = await connectToPeer()
    await peer.command('bye')
    expect(await session.receive()).toBeUndefined()
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('the BYE of the published client is a good end here', async () => {
    const { peer, session } = await acceptPeer()
    await peer.command('bye')
    expect(await session.receive()).toBeUndefined()
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('a published client that vanishes without BYE is told apart from a good end', async () => {
    const { peer, session } = await acceptPeer()
    await peer.command('close')
    await expect(session.receive()).rejects.toMatchObject({ code: 'TRUNCATED' })
  })
})

describe('rekey', () => {
  test('we rekey towards the published server, and messages go on both ways', async () => {
    const { peer, session } = await connectToPeer()
    await exchangeAllSizes(session, peer)
    await session.rekey()
    await exchangeAllSizes(session, peer)
  })

  test('we rekey towards the published client, and messages go on both ways', async () => {
    const { peer, session } = await acceptPeer()
    await session.rekey()
    await session.rekey()
    await exchangeAllSizes(session, peer)
  })

  test('we follow the REKEY of the published client', async () => {
    const { peer, session } = await acceptPeer()
    await exchangeAllSizes(session, peer)
    await rekeyPeer(session, peer)
    await exchangeAllSizes(session, peer)
  })

  test('we follow the REKEY of the published server, under ChaCha20-Poly1305 too', async () => {
    const { peer, session } = await connectToPeer({ suite: 'chacha' }, { suite: CipherSuite.CHACHA20_POLY1305 })
    await rekeyPeer(session, peer)
    await exchangeAllSizes(session, peer)
  })
})

describe('refusals', () => {
  test('a wrong key: the published server refuses our client, which hears why that probably is', async () => {
    const peer = startPeer({ release: newest, role: 'server', psk: new Uint8Array(randomBytes(32)) })
    const { port } = await peer.next('listening')
    const attempt = connect(`usmp://127.0.0.1:${port}`, { deviceId, psk })
    await expect(attempt).rejects.toMatchObject({
      code: 'HANDSHAKE_REFUSED',
      hint: expect.stringMatching(/key is wrong/),
    })
    expect((await peer.next('error')).kind).toBe('AuthError')
  })

  test('a wrong key: our server refuses the published client and says AUTH_FAILED in its event', async () => {
    const server = await startServer()
    const refused = refusal(server)
    const peer = startPeer({
      release: newest,
      role: 'client',
      port: server.port,
      deviceId,
      psk: new Uint8Array(randomBytes(32)),
    })
    expect((await peer.next('error')).kind).toBe('HandshakeError')
    expect(await refused).toBe('AUTH_FAILED')
  })

  test('an unknown device: the published server refuses our client', async () => {
    const peer = startPeer({ release: newest, role: 'server', table: { '02:00:00:00:00:09': psk } })
    const { port } = await peer.next('listening')
    await expect(connect(`usmp://127.0.0.1:${port}`, { deviceId, psk })).rejects.toMatchObject({
      code: 'HANDSHAKE_REFUSED',
    })
  })

  test('an unknown device: our server refuses the published client as if its key were wrong, and says UNKNOWN_DEVICE', async () => {
    const server = await startServer({ psk: () => null })
    const refused = refusal(server)
    const peer = startPeer({ release: newest, role: 'client', port: server.port, deviceId, psk })
    const error = await peer.next('error')
    expect(error.kind).toBe('HandshakeError')
    expect(error.message).toMatch(/PSK rejected/)
    expect(await refused).toBe('UNKNOWN_DEVICE')
  })

  test('different suites: the first message of the published client is reported as SUITE_MISMATCH', async () => {
    const { peer, session } = await acceptPeer({ suite: CipherSuite.CHACHA20_POLY1305 }, { suite: 'aes' })
    const command = peer.send(message(5))
    await expect(session.receive()).rejects.toMatchObject({ code: 'SUITE_MISMATCH' })
    await command
  })
})

describe('wire version 1', () => {
  const unsafe = { unsafeWireVersion1: true }

  test(`our client reaches the published server of release ${oldest} by the unsafe option`, async () => {
    const { peer, session } = await connectToPeer({ release: oldest }, unsafe)
    expect(session.wireVersion).toBe(1)
    await exchangeAllSizes(session, peer)
  })

  test(`our server takes the published client of release ${oldest} by the unsafe option, and warns`, async () => {
    const server = await startServer(unsafe)
    const warned = new Promise<string>((resolve) =>
      server.addEventListener('warning', (event) => resolve(event.message)),
    )
    const peer = startPeer({ release: oldest, role: 'client', port: server.port, deviceId, psk })
    const session = await firstSession(server)
    expect(session.wireVersion).toBe(1)
    expect(await warned).toMatch(/encryption is broken/)
    await exchangeAllSizes(session, peer)
  })

  test(`a server that takes wire version 1 still speaks version 2 with release ${newest}`, async () => {
    const { peer, session } = await acceptPeer(unsafe)
    expect(session.wireVersion).toBe(2)
    await exchangeAllSizes(session, peer)
  })

  test('release 0.4.4, whose macs leave out the public keys, is refused even with the option', async () => {
    const server = await startServer(unsafe)
    const refused = refusal(server)
    const peer = startPeer({ release: '0.4.4', role: 'client', port: server.port, deviceId, psk })
    await peer.next('error')
    expect(await refused).toBe('AUTH_FAILED')
  })

  test(`without the option our server refuses release ${oldest} and says BAD_VERSION`, async () => {
    const server = await startServer()
    const refused = refusal(server)
    const peer = startPeer({ release: oldest, role: 'client', port: server.port, deviceId, psk })
    await peer.next('error')
    expect(await refused).toBe('BAD_VERSION')
  })
})
