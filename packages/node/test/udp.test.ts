import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decodeFrame, encodeFrame, PacketType, type Session } from '@usmp/core'
import {
  codeOf,
  DEVICE_ID,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  pattern,
  textOf,
  turns,
  until,
} from '@usmp/testing'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../src/connect.ts'
import type { ListenOptions } from '../src/listen-options.ts'
import { listen, type Server } from '../src/server.ts'
import type { RefusedEvent } from '../src/server-events.ts'
import { formatAddress } from '../src/tcp.ts'
import { connectUdp, udpTransport } from '../src/udp.ts'
import { LOOPBACK } from './network.ts'

interface Watched {
  readonly server: Server
  readonly url: string
  readonly refusals: RefusedEvent[]
  readonly sessions: Session[]
}

/** A server on a free UDP port that sends back what it gets. */
async function startUdp(options: Partial<ListenOptions> = {}): Promise<Watched> {
  const server = await listen({ udp: { host: LOOPBACK, port: 0 }, psk: () => PSK, ...options })
  onTestFinished(() => server.close())
  const refusals: RefusedEvent[] = []
  const sessions: Session[] = []
  server.addEventListener('refused', (event) => refusals.push(event))
  server.addEventListener('session', ({ session }) => {
    sessions.push(session)
    void (async () => {
      for await (const message of session) await session.send(message)
    })().catch(() => {})
  })
  return { server, url: `usmp+udp://${LOOPBACK}:${server.udpPort}`, refusals, sessions }
}

async function join(url: string, options: Partial<Parameters<typeof connect>[1]> = {}): Promise<Session> {
  const session = await connect(url, { deviceId: DEVICE_ID, psk: PSK, ...options })
  onTestFinished(() => session.close())
  return session
}

/** A bare socket that notes what it gets. */
async function bareSocket(port: number): Promise<{ send: (datagram: Uint8Array) => void; received: Uint8Array[] }> {
  const socket = createSocket('udp4')
  socket.connect(port, LOOPBACK)
  await once(socket, 'connect')
  const received: Uint8Array[] = []
  socket.on('message', (datagram) => received.push(datagram))
  onTestFinished(() => void socket.close())
  return { send: (datagram) => socket.send(datagram), received }
}

const hello = (cookie: Uint8Array = new Uint8Array(0)) =>
  encodeFrame({ type: PacketType.HELLO, payload: Uint8Array.of(...pattern(38), ...cookie) })

const isChallenge = (datagram: Uint8Array) => datagram[0] === 0xcd && datagram[3] === PacketType.CHALLENGE

describe('UDP server', () => {
  test('serves several devices over one socket, and TCP beside it', async () => {
    const { server, url } = await startUdp({ tcp: { host: LOOPBACK, port: 0 } })
    const urls = [url, url, url, `usmp://${LOOPBACK}:${server.port}`]
    const sessions = await Promise.all(urls.map((each, n) => join(each, { deviceId: deviceNumber(n) })))
    await Promise.all(
      sessions.map(async (session, n) => {
        for (const size of [0, 1, 452, 453, 1808]) {
          await session.send(pattern(size, n))
          expect(await session.receive()).toEqual(pattern(size, n))
        }
      }),
    )
    expect(server.sessions).toHaveLength(4)
  })

  test('answers a HELLO without a cookie with less than it got, and keeps nothing', async () => {
    const { server, refusals } = await startUdp()
    const { send, received } = await bareSocket(server.udpPort)
    send(hello())
    await until(() => received.length === 2)
    const sizes = received.map((datagram) => datagram.length)
    expect(sizes).toEqual([7, 28])
    expect(sizes[0]! + sizes[1]!).toBeLessThan(hello().length)
    await turns()
    expect([server.sessions, refusals]).toEqual([[], []])
  })

  test('drops and counts what has no place, without a word', async () => {
    const { server } = await startUdp()
    const { send, received } = await bareSocket(server.udpPort)
    const garbled = hello()
    garbled[20]! ^= 1
    const bad: [Uint8Array, string][] = [
      [hello(pattern(16)), 'BAD_COOKIE'],
      [garbled, 'BAD_CRC'],
      [encodeFrame({ type: PacketType.HELLO, payload: pattern(40) }), 'BAD_PAYLOAD'],
      [encodeFrame({ type: PacketType.HELLO_ACK, payload: pattern(32) }), 'UNEXPECTED_PACKET'],
      [encodeFrame({ type: PacketType.DATA, payload: pattern(40) }), 'UNEXPECTED_PACKET'],
      [Uint8Array.of(0xac, 0xac, 5, 0, 0, 0, 0), 'UNEXPECTED_PACKET'],
      [new Uint8Array(0), 'UNEXPECTED_PACKET'],
      [pattern(9000), 'UNEXPECTED_PACKET'],
    ]
    for (const [datagram] of bad) send(datagram)
    const count = () => [...server.dropped.values()].reduce((sum, n) => sum + n, 0)
    await until(() => count() === bad.length)
    expect(Object.fromEntries(server.dropped)).toEqual({
      BAD_COOKIE: 1,
      BAD_CRC: 1,
      BAD_PAYLOAD: 1,
      UNEXPECTED_PACKET: 5,
    })
    expect(received).toEqual([])
  })

  test('a cookie of one port is of no use at another', async () => {
    const { server } = await startUdp()
    const first = await bareSocket(server.udpPort)
    const second = await bareSocket(server.udpPort)
    first.send(hello())
    await until(() => first.received.length === 2)
    const { payload } = decodeFrame(first.received[1]!)
    second.send(hello(payload))
    await until(() => server.dropped.get('BAD_COOKIE') === 1)
    expect(second.received).toEqual([])
  })

  test('hands out cookies at a limited rate', async () => {
    const { server } = await startUdp()
    const { send, received } = await bareSocket(server.udpPort)
    for (let i = 0; i < 300; i++) {
      send(hello())
      if (i % 20 === 0) await turns(2)
    }
    await until(() => (server.dropped.get('TOO_MANY_CONNECTIONS') ?? 0) > 0)
    await turns()
    expect(received.length).toBeLessThan(2 * 200)
    expect(received.length).toBeGreaterThan(0)
  })

  test('a cookie is not good for handshakes without end: neither for key pairs, nor for events', async () => {
    let lookups = 0
    const psk = () => {
      lookups++
      return null
    }
    const { server, refusals } = await startUdp({ psk, maxConnections: 1 })
    const sockets = [await bareSocket(server.udpPort), await bareSocket(server.udpPort)]
    const begin = performance.now()
    for (const { send, received } of sockets) {
      send(hello())
      await until(() => received.length === 2)
      const { payload } = decodeFrame(received[1]!)
      for (let i = 0; i < 300; i++) {
        const key = pattern(38)
        key.set([i >> 8, i & 0xff], 10)
        send(encodeFrame({ type: PacketType.HELLO, seq: 1, payload: Uint8Array.of(...key, ...payload) }))
        if (i % 20 === 0) await turns(2)
      }
    }
    await until(() => (server.dropped.get('TOO_MANY_CONNECTIONS') ?? 0) > 0)
    await turns()
    expect(lookups).toBeGreaterThan(0)
    expect(lookups + refusals.length).toBeLessThan(102 + (performance.now() - begin) / 20)
  })

  test('a device that restarts behind the same address and port gets in; its old session ends only then', async () => {
    const { server, sessions } = await startUdp()
    const socket = createSocket('udp4')
    socket.bind(0, LOOPBACK)
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.close()
    /** A device without a memory, always at the same port. */
    const boot = async (psk = PSK) => {
      const own = createSocket({ type: 'udp4', reuseAddr: true })
      own.bind(port, LOOPBACK)
      await once(own, 'listening')
      own.connect(server.udpPort, LOOPBACK)
      await once(own, 'connect')
      return new ManualPeer(udpTransport(own), 'client', { psk })
    }
    const first = await boot()
    await until(() => sessions.length === 1)
    first.transport.abort()

    const stranger = await boot(OTHER_PSK)
    await until(() => stranger.received.length >= 4)
    await turns()
    expect(sessions[0]!.signal.aborted, 'somebody without the key ends nothing').toBe(false)
    stranger.transport.abort()

    const second = await boot()
    await until(() => sessions.length === 2)
    expect((await sessions[0]!.closed).code).toBe('REPLACED')
    await until(() => second.connection!.established)
    second.send(pattern(33))
    await until(() => second.messages.length === 1)
    expect(second.messages).toEqual([pattern(33)])
    expect(server.sessions).toHaveLength(1)
    second.transport.abort()
  })

  test('a wrong key: the client is told what it is likely, the server what it was; five lock out', async () => {
    const { url, refusals } = await startUdp({ handshakeTimeout: 400 })
    const attempt = () => failureOf(join(url, { psk: OTHER_PSK, handshakeTimeout: 300 }))
    const error = await attempt()
    expect([error.code, error.awaited]).toEqual(['HANDSHAKE_TIMEOUT', PacketType.SESSION_OK])
    expect(error.hint).toMatch(/key is wrong or the device id unknown/)
    await Promise.all([attempt(), attempt(), attempt(), attempt()])
    await until(() => refusals.length === 5)
    expect(refusals.map((refusal) => [refusal.error.code, refusal.deviceId])).toEqual(
      Array(5).fill(['AUTH_FAILED', DEVICE_ID]),
    )
    expect((await attempt()).code).toBe('HANDSHAKE_TIMEOUT')
    expect(refusals.at(-1)!.error.code).toBe('LOCKED_OUT')
  })

  test('guesses at a key from one port: five of them are one attempt, one failure and one event', async () => {
    let asked = 0
    const psk = () => {
      asked++
      return PSK
    }
    const { server, refusals } = await startUdp({ psk })
    const transport = await connectUdp(LOOPBACK, server.udpPort)
    onTestFinished(() => transport.abort())
    for (let guess = 1; guess <= 10; guess++) {
      const peer = new ManualPeer(transport, 'client', { psk: OTHER_PSK })
      await until(() => asked === guess)
      await until(() => peer.received.some(isChallenge))
      await until(() => refusals.length === Math.floor(guess / 5), 'an event for each five')
      peer.deaf = peer.silent = true
    }
    expect(refusals.map(({ error, deviceId }) => [error.code, deviceId])).toEqual(
      Array(2).fill(['AUTH_FAILED', DEVICE_ID]),
    )
  })

  test('guesses from many ports at once get no further: the oldest attempt of a device gives way, and counts', async () => {
    let asked = 0
    const psk = () => {
      asked++
      return PSK
    }
    const { server, refusals } = await startUdp({ psk })
    const lockedOut = () => refusals.some(({ error }) => error.code === 'LOCKED_OUT')
    for (let port = 1; port <= 20 && !lockedOut(); port++) {
      const transport = await connectUdp(LOOPBACK, server.udpPort)
      onTestFinished(() => transport.abort())
      const peer = new ManualPeer(transport, 'client', { psk: OTHER_PSK })
      await until(() => peer.received.some(isChallenge) || lockedOut())
      await turns()
      peer.deaf = peer.silent = true
    }
    expect(refusals.filter(({ error }) => error.code === 'AUTH_FAILED').length).toBeGreaterThanOrEqual(5)
    expect(lockedOut()).toBe(true)
    expect(asked).toBeLessThan(20)
  })

  test('a device that begins again and again does not get more time for it', async () => {
    const { server, refusals } = await startUdp({ handshakeTimeout: 300 })
    const transport = await connectUdp(LOOPBACK, server.udpPort)
    onTestFinished(() => transport.abort())
    const sending = setInterval(() => {
      new ManualPeer(transport, 'client').alter = (frame) => (frame[3] === PacketType.HELLO_ACK ? pattern(3) : frame)
    }, 100)
    onTestFinished(() => clearInterval(sending))
    await until(() => refusals.length > 0)
    expect(refusals[0]!.error.code).toBe('HANDSHAKE_TIMEOUT')
  })

  test('key guesses within one handshake are counted: five an attempt, each attempt an event, and the sixth is locked out', async () => {
    const { server, refusals } = await startUdp()
    const { send, received } = await bareSocket(server.udpPort)
    const frames = () => received.filter((datagram) => datagram[0] === 0xcd).map((datagram) => decodeFrame(datagram))
    const last = (type: number) =>
      frames()
        .filter((frame) => frame.type === type)
        .at(-1)
    const challenges = () => frames().filter(({ type }) => type === PacketType.CHALLENGE).length
    const helloOf = (n: number, cookie: Uint8Array = new Uint8Array(0)) =>
      encodeFrame({ type: PacketType.HELLO, payload: Uint8Array.of(...pattern(6), ...pattern(32, n), ...cookie) })
    send(helloOf(0))
    await until(() => last(PacketType.HELLO_RETRY) !== undefined)
    const cookie = last(PacketType.HELLO_RETRY)!.payload
    for (let attempt = 1; attempt <= 5; attempt++) {
      send(helloOf(attempt, cookie))
      await until(() => challenges() === attempt)
      for (let guess = 0; guess < 20; guess++) {
        send(encodeFrame({ type: PacketType.HELLO_ACK, seq: 2, payload: pattern(32, 20 * attempt + guess) }))
      }
      await until(() => refusals.length === attempt)
    }
    expect(refusals.map(({ error }) => error.code)).toEqual(Array(5).fill('AUTH_FAILED'))
    send(helloOf(6, cookie))
    await until(() => refusals.length === 6)
    expect(refusals[5]!.error.code).toBe('LOCKED_OUT')
    expect(challenges()).toBe(5)
  })

  test('an unknown device is refused like a wrong key, and told apart in the event', async () => {
    const { url, refusals } = await startUdp({ handshakeTimeout: 300, psk: () => null })
    expect(await codeOf(join(url, { handshakeTimeout: 250 }))).toBe('HANDSHAKE_TIMEOUT')
    await until(() => refusals.length === 1)
    expect(refusals[0]!.error.code).toBe('UNKNOWN_DEVICE')
  })

  test('a key store that is away for a moment costs a device no attempt', async () => {
    let asked = 0
    const psk = () => {
      if (++asked < 3) throw new Error('no database')
      return PSK
    }
    const { url, refusals } = await startUdp({ psk })
    const session = await join(url)
    await session.ping()
    expect([asked, refusals]).toEqual([3, []])
  })

  test('a key store that stays away is one event for one attempt', async () => {
    const psk = () => {
      throw new Error('no database')
    }
    const { url, refusals } = await startUdp({ psk, handshakeTimeout: 1_000 })
    const error = await failureOf(join(url, { handshakeTimeout: 800 }))
    expect([error.code, error.awaited]).toEqual(['HANDSHAKE_TIMEOUT', undefined])
    expect(error.message).toContain('INTERNAL')
    await until(() => refusals.length === 1)
    expect(refusals[0]!.error.code).toBe('PSK_LOOKUP_FAILED')
  })

  test('limits: connections at once', async () => {
    const { url, refusals } = await startUdp({ maxConnections: 1 })
    const first = await join(url)
    expect(await codeOf(join(url, { deviceId: deviceNumber(2), handshakeTimeout: 200 }))).toBe('HANDSHAKE_TIMEOUT')
    expect(refusals[0]!.error.code).toBe('TOO_MANY_CONNECTIONS')
    await first.close()
    const next = await join(url, { deviceId: deviceNumber(2) })
    await next.send('room again')
    expect(textOf(await next.receive())).toBe('room again')
  })

  test('one device, two ports: replaced, or turned away', async () => {
    const replacing = await startUdp()
    const older = await join(replacing.url)
    await join(replacing.url)
    expect((await older.closed).code).toBe('CLOSED')
    expect((await replacing.sessions[0]!.closed).code).toBe('REPLACED')
    const rejecting = await startUdp({ duplicates: 'reject' })
    const kept = await join(rejecting.url)
    const turnedAway = await join(rejecting.url)
    expect((await turnedAway.closed).code).toBe('CLOSED')
    await kept.send('still here')
    expect(textOf(await kept.receive())).toBe('still here')
  })

  test('closing says BYE to all, and frees the port', async () => {
    const { server, url } = await startUdp()
    const session = await join(url)
    const { udpPort } = server
    await server.close()
    expect((await session.closed).code).toBe('CLOSED')
    const again = await listen({ udp: { host: LOOPBACK, port: udpPort }, psk: () => PSK })
    await again.close()
  })

  test('a port that is taken, and one that cannot be', async () => {
    const { server } = await startUdp()
    const taken = { host: LOOPBACK, port: server.udpPort }
    expect(await codeOf(listen({ udp: taken, psk: () => PSK }))).toBe('TRANSPORT_FAILED')
    expect(await codeOf(listen({ udp: { port: 65_536 }, psk: () => PSK }))).toBe('INVALID_ARGUMENT')
    expect(() => server.port).toThrow('TCP')
  })
})

describe('UDP client', () => {
  test('nobody there: after the handshake time it is UNREACHABLE, with what the network said', async () => {
    const free = createSocket('udp4').bind(0, LOOPBACK)
    await once(free, 'listening')
    const { port } = free.address()
    free.close()
    const error = await failureOf(join(`usmp+udp://${LOOPBACK}:${port}`, { handshakeTimeout: 200 }))
    expect([error.code, (error.cause as NodeJS.ErrnoException).code]).toEqual(['UNREACHABLE', 'ECONNREFUSED'])
  })

  test('somebody who does not answer: HANDSHAKE_TIMEOUT', async () => {
    const silent = createSocket('udp4').bind(0, LOOPBACK)
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const url = `usmp+udp://${LOOPBACK}:${silent.address().port}`
    expect(await codeOf(join(url, { handshakeTimeout: 200 }))).toBe('HANDSHAKE_TIMEOUT')
  })

  test('a name that does not resolve, an abort, a wrong address', async () => {
    expect(await codeOf(connectUdp('no-such-host.invalid', 9000))).toBe('UNREACHABLE')
    expect(await codeOf(connectUdp(LOOPBACK, 9000, { signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(await codeOf(join('usmp+udp://'))).toBe('INVALID_ARGUMENT')
  })

  test('takes datagrams of its server only', async () => {
    const { url, sessions } = await startUdp()
    const session = await join(url)
    const port = Number(sessions[0]!.address.split(':').at(-1))
    const stranger = createSocket('udp4')
    onTestFinished(() => void stranger.close())
    stranger.send(pattern(50), port, LOOPBACK)
    await session.send('x')
    await session.receive()
    expect([...session.dropped]).toEqual([])
  })

  test('a sender waits while its messages are under way', async () => {
    const { url } = await startUdp()
    const session = await join(url, { datagram: { maxInFlight: 2 } })
    await session.send('warm')
    await session.receive()
    let sent = 0
    while (session.trySend(`${sent}`)) sent++
    expect(sent).toBe(3)
    await session.send('waits for its turn')
    const got: (string | undefined)[] = []
    for (let i = 0; i <= sent; i++) got.push(textOf(await session.receive()))
    expect(got).toEqual(['0', '1', '2', 'waits for its turn'])
  })

  test('a consumer that stops reading for a while stops the sender; what is under way is repeated', async () => {
    const plain = await listen({ udp: { host: LOOPBACK, port: 0 }, psk: () => PSK })
    onTestFinished(() => plain.close())
    const accepted = plain[Symbol.asyncIterator]().next()
    const client = await join(`usmp+udp://${LOOPBACK}:${plain.udpPort}`)
    const receiver = (await accepted).value as Session
    let sent = 0
    const sending = (async () => {
      for (; sent < 150; sent++) await client.send(`${sent}`)
    })()
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(sent).toBeLessThan(100)
    for (let i = 0; i < 150; i++) expect(textOf(await receiver.receive())).toBe(`${i}`)
    await sending
  })

  test('a peer that vanishes: the session ends aloud', async () => {
    const { server, sessions } = await startUdp({ idleTimeout: 1_000 })
    const transport = await connectUdp(LOOPBACK, server.udpPort)
    const peer = await ManualPeer.connected(transport)
    await until(() => sessions.length === 1)
    peer.send(pattern(1))
    await until(() => peer.messages.length === 1)
    transport.abort()
    await sessions[0]!.send('nobody gets this')
    expect((await sessions[0]!.closed).code).toBe('IDLE_TIMEOUT')
  })
})

describe('addresses that people see', () => {
  test.each([
    ['::ffff:127.0.0.1', '127.0.0.1:9000'],
    ['::FFFF:192.0.2.7', '192.0.2.7:9000'],
    ['::1', '[::1]:9000'],
    ['::ffff:7f00:1', '[::ffff:7f00:1]:9000'],
    ['fe80::1%eth0', '[fe80::1%eth0]:9000'],
    ['192.0.2.7', '192.0.2.7:9000'],
  ])('%s', (address, shown) => expect(formatAddress(address, 9000)).toBe(shown))

  test('a device of IPv4 is shown as one by a server on all interfaces', async () => {
    const { server, sessions } = await startUdp({
      tcp: { host: '::', port: 0 },
      udp: { host: '::', port: 0 },
      websocket: { host: '::', port: 0 },
    })
    const webSocket = server.websocketUrl.replace('[::]', LOOPBACK)
    for (const url of [`usmp://${LOOPBACK}:${server.port}`, `usmp+udp://${LOOPBACK}:${server.udpPort}`, webSocket]) {
      await join(url)
      expect(sessions.at(-1)!.address, url).toMatch(/^127\.0\.0\.1:\d+$/)
    }
  })
})
