import { once } from 'node:events'
import { createServer, get, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect as connectSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Session, type Transport } from '@usmp/core'
import {
  codeOf,
  DEVICE_ID,
  DEVICE_ID_BYTES,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  pattern,
  until,
} from '@usmp/testing'
import { type Adapter, describeAdapter } from '@usmp/testing/adapter-suite'
import { makeCertificate } from '@usmp/testing/certificate'
import { openHandler } from '@usmp/testing/internal'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { certificatePin } from '../src/certificate-pin.ts'
import { nodeClock } from '../src/clock.ts'
import { connect, sessions } from '../src/connect.ts'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'
import type { WebSocketOptions } from '../src/listen-options.ts'
import { listen } from '../src/server.ts'
import { type CloseCause, connectWebSocket } from '../src/websocket.ts'
import { WebSocketListener } from '../src/websocket-listener.ts'
import { LOOPBACK, openSocket, startServer, type Watched } from './network.ts'

const tls = await makeCertificate()
const device = { deviceId: DEVICE_ID, psk: PSK }

/** A server of WebSockets alone. */
async function startWebSocketServer(
  websocket: Partial<WebSocketOptions> = {},
  options: Parameters<typeof startServer>[0] = {},
): Promise<Watched> {
  const listener = (websocket.server ? websocket : { host: LOOPBACK, port: 0, ...websocket }) as WebSocketOptions
  return startServer({ tcp: undefined as never, websocket: listener, ...options })
}

/** Transports at both ends of a WebSocket. */
function adapter(name: string, secure: boolean): Adapter {
  return {
    name,
    kind: 'message',
    async open() {
      let arrived: (transport: Transport) => void
      const server = new Promise<Transport>((resolve) => (arrived = resolve))
      const listener = new WebSocketListener(
        { host: LOOPBACK, port: 0, ...(secure ? { tls } : {}) },
        { upgradeTimeout: 1_000, maxIdle: 10 },
      )
      await listener.start(openHandler((transport) => arrived(transport)))
      const client = await connectWebSocket(new URL(listener.address), { timeout: 5_000, ca: tls.cert })
      const ends = { client, server: await server }
      void listener.close()
      return ends
    },
  }
}

describeAdapter(adapter('WebSocket', false))
describeAdapter(adapter('WebSocket over TLS', true))

describe('a WebSocket server', () => {
  test('serves sessions, beside TCP', async () => {
    const { server, url } = await startServer({ websocket: { host: LOOPBACK, port: 0 } })
    const over = [
      await connect(server.websocketUrl, device),
      await connect(url, { ...device, deviceId: deviceNumber(1) }),
    ]
    expect(server.websocketUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/$/)
    expect(server.sessions.map(({ deviceId }) => deviceId)).toEqual([DEVICE_ID, deviceNumber(1)])
    for (const session of over) await session.ping()
    const { server: without } = await startServer()
    expect(() => without.websocketUrl).toThrow('does not listen for WebSockets')
  })

  test('a device that comes back by the other way replaces its session', async () => {
    const { server, url } = await startServer({ websocket: { host: LOOPBACK, port: 0 } })
    const first = await connect(url, device)
    const second = await connect(server.websocketUrl, device)
    expect((await first.closed).code).toBe('CLOSED')
    await second.ping()
    expect(server.sessions.length).toBe(1)
  })

  test('over TLS, to a client that trusts its certificate and to no other', async () => {
    const { url } = await startWebSocketServer({ tls } as never)
    expect(url).toMatch(/^wss:/)
    const stranger = await failureOf(connect(url, device))
    expect([stranger.code, stranger.message]).toEqual(['UNTRUSTED_CERTIFICATE', expect.stringContaining('self-signed')])
    const session = await connect(url, { ...device, ca: tls.cert })
    expect(await session.ping()).toBeGreaterThan(0)
  })

  test('with a pin: the certificate may be its own, the key has to be the right one, and with `ca` both have to be right', async () => {
    const { url } = await startWebSocketServer({ tls } as never)
    const pin = certificatePin(tls.cert)
    await (await connect(url, { ...device, pin })).ping()
    await (await connect(url, { ...device, pin, ca: tls.cert })).ping()
    const other = await makeCertificate()
    expect(await codeOf(connect(url, { ...device, pin, ca: other.cert }))).toBe('UNTRUSTED_CERTIFICATE')
    for (const ca of [undefined, tls.cert]) {
      const failure = await failureOf(
        connect(url, { ...device, pin: certificatePin(other.cert), ...(ca ? { ca } : {}) }),
      )
      expect([failure.code, failure.message]).toEqual([
        'UNTRUSTED_CERTIFICATE',
        expect.stringContaining('its key is not the pinned one'),
      ])
      expect((failure.cause as Error).message, 'the pin that it has').toContain(pin)
    }
    for (const bad of [pin.slice(1), `${pin}0`, pin.replace(/.$/, 'g'), 'x'.repeat(64)]) {
      expect(await codeOf(connect(url, { ...device, pin: bad }))).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(connect('ws://127.0.0.1:1/', { ...device, pin })), 'a pin is no use there').toBe(
      'INVALID_ARGUMENT',
    )
  })

  test('a server with another key than the pinned one gets no request', async () => {
    const requests: string[] = []
    const https = createHttpsServer({ ...tls }).listen(0, LOOPBACK)
    https.on('upgrade', ({ url }, socket) => {
      requests.push(url!)
      socket.destroy()
    })
    await once(https, 'listening')
    onTestFinished(() => void https.close())
    const url = `wss://${LOOPBACK}:${(https.address() as AddressInfo).port}/?secret`
    const { cert } = await makeCertificate()
    expect(await codeOf(connect(url, { ...device, pin: certificatePin(cert) }))).toBe('UNTRUSTED_CERTIFICATE')
    expect(await codeOf(connect(url, { ...device, pin: certificatePin(tls.cert) }))).toBe('UNREACHABLE')
    expect(requests).toEqual(['/?secret'])
  })

  test('a client shows its certificate to a server that asks for one', async () => {
    const client = await makeCertificate()
    // From version 1.3 on the client hears of it later, and the end of the connection may come before the reason.
    const options = { ...tls, requestCert: true, ca: client.cert, maxVersion: 'TLSv1.2' } as const
    const https = createHttpsServer(options).listen(0, LOOPBACK)
    await once(https, 'listening')
    onTestFinished(() => void https.close())
    await startWebSocketServer({ server: https, path: '/usmp' })
    const url = `wss://${LOOPBACK}:${(https.address() as AddressInfo).port}/usmp`
    const shown = { ...device, ca: tls.cert, ...client }
    await (await connect(url, shown)).ping()
    expect(await codeOf(connect(url, { ...shown, key: undefined as never }))).toBe('INVALID_ARGUMENT')
    const refused = await failureOf(connect(url, { ...device, ca: tls.cert }))
    expect([refused.code, refused.hint]).toEqual(['UNREACHABLE', expect.stringContaining('`cert` and `key`')])
  })

  test('wrong key and lockout are told as over TCP', async () => {
    const { url, codes } = await startWebSocketServer()
    const wrong = { ...device, psk: OTHER_PSK }
    for (let i = 0; i < 5; i++) expect((await failureOf(connect(url, wrong))).code).toBe('HANDSHAKE_REFUSED')
    const locked = await failureOf(connect(url, device))
    expect([locked.code, locked.awaited]).toEqual(['HANDSHAKE_REFUSED', 2])
    await until(() => codes().length === 6)
    expect(codes()).toEqual([...new Array(5).fill('AUTH_FAILED'), 'LOCKED_OUT'])
  })

  test('beside an application on its HTTP server, and gone without ending it', async () => {
    const http = createServer((_, response) => response.end('the application')).listen(0, LOOPBACK)
    await once(http, 'listening')
    onTestFinished(() => void http.close())
    const { port } = http.address() as AddressInfo
    const others = new WebSocketServer({ noServer: true })
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/other') others.handleUpgrade(request, socket, head, (other) => other.close(4000))
    })
    const { server } = await startWebSocketServer({ server: http, path: '/usmp' })
    const base = `ws://${LOOPBACK}:${port}`
    expect(server.websocketUrl).toBe(`${base}/usmp`)
    const session = await connect(`${base}/usmp?room=1`, device)
    await session.ping()
    const other = new WebSocket(`${base}/other`)
    expect((await once(other, 'close'))[0]).toBe(4000)
    await server.close()
    expect((await session.closed).code).toBe('CLOSED')
    const response = await fetch(`http://${LOOPBACK}:${port}/`)
    expect(await response.text()).toBe('the application')
  })

  /** An HTTP server of an application. */
  async function startHttp(): Promise<{ http: HttpServer; port: number }> {
    const http = createServer((_, response) => response.end('the application')).listen(0, LOOPBACK)
    await once(http, 'listening')
    onTestFinished(() => {
      http.close()
      http.closeAllConnections()
    })
    return { http, port: (http.address() as AddressInfo).port }
  }

  test('silent connections to the HTTP server of an application keep neither pages nor sessions out', async () => {
    const { http, port } = await startHttp()
    http.maxConnections = 30
    const { refusals } = await startWebSocketServer({ server: http, path: '/usmp' }, { maxHandshakes: 10 })
    const silent = await Promise.all(Array.from({ length: 60 }, () => openSocket(port, '127.0.0.2')))
    const page = await fetch(`http://${LOOPBACK}:${port}/`)
    expect(await page.text()).toBe('the application')
    await (await connect(`ws://${LOOPBACK}:${port}/usmp`, device)).ping()
    await until(() => refusals.length >= 50)
    expect(new Set(refusals.map(({ error }) => error.code))).toEqual(new Set(['TOO_MANY_CONNECTIONS']))
    expect(
      refusals.every(({ address }) => address.startsWith('127.0.0.2:')),
      'of those that are many',
    ).toBe(true)
    for (const socket of silent) socket.destroy()
  })

  test('what the application is answering is no silent connection, nor is a session', async () => {
    const { http, port } = await startHttp()
    const waiting: ServerResponse[] = []
    http.removeAllListeners('request')
    http.on('request', (_, response) => waiting.push(response))
    await startWebSocketServer({ server: http, path: '/usmp' }, { maxHandshakes: 3 })
    const slow = [fetch(`http://${LOOPBACK}:${port}/slow`), fetch(`http://${LOOPBACK}:${port}/slow`)]
    await until(() => waiting.length === 2)
    const session = await connect(`ws://${LOOPBACK}:${port}/usmp`, device)
    for (let i = 0; i < 20; i++) await openSocket(port)
    await session.ping()
    for (const response of waiting) response.end('in the end')
    for (const response of await Promise.all(slow)) expect(await response.text()).toBe('in the end')
  })

  test('two servers on one HTTP server: each has its path, and another path is 404', async () => {
    const { http, port } = await startHttp()
    const first = await startWebSocketServer({ server: http, path: '/a' })
    await startWebSocketServer({ server: http, path: '/b' })
    const base = `ws://${LOOPBACK}:${port}`
    for (const path of ['/a', '/b']) await (await connect(base + path, device)).ping()
    expect((await failureOf(connect(`${base}/c`, device))).message).toContain('404')
    expect(await codeOf(listen({ websocket: { server: http, path: '/b' }, psk: () => PSK }))).toBe('INVALID_ARGUMENT')
    await first.server.close()
    expect((await failureOf(connect(`${base}/a`, device))).message).toContain('404')
    await (await connect(`${base}/b`, device)).ping()
  })

  test('another path is 404, plain HTTP is 426', async () => {
    const { url } = await startWebSocketServer({ path: '/usmp' })
    expect((await failureOf(connect(new URL('/', url), device))).message).toContain('404')
    const [response] = (await once(get(url.replace('ws', 'http')), 'response')) as [IncomingMessage]
    response.resume()
    expect(response.statusCode).toBe(426)
  })

  test('a page of a foreign origin is refused and named; a listed one and programs are let in', async () => {
    const { url, refusals } = await startWebSocketServer({ origins: ['https://app.example'] })
    const arrival = (origin?: string) => {
      const socket = new WebSocket(url, origin === undefined ? {} : { origin })
      onTestFinished(() => socket.terminate())
      return new Promise<string>((resolve) => {
        socket.once('open', () => resolve('in'))
        socket.once('error', ({ message }) => resolve(message))
      })
    }
    expect(await arrival('https://app.example')).toBe('in')
    expect(await arrival()).toBe('in')
    for (const origin of ['https://evil.example', 'null', 'https://app.example:444']) {
      expect(await arrival(origin)).toContain('403')
      expect(refusals.at(-1)!.error).toMatchObject({ code: 'ORIGIN_REFUSED', message: expect.stringContaining(origin) })
    }
    const closed = await startWebSocketServer()
    const page = new WebSocket(closed.url, { origin: 'https://app.example' })
    expect(await once(page, 'open').catch(({ message }) => message)).toContain('403')
  })

  test('idle connections, before and behind the upgrade, keep nobody out', async () => {
    const { server, url, codes } = await startWebSocketServer({}, { maxConnectionsPerAddress: 10 })
    const { port } = new URL(url)
    const idle: Socket[] = []
    for (let i = 0; i < 6; i++) idle.push(connectSocket(Number(port), LOOPBACK).on('error', () => {}))
    const quiet = Array.from({ length: 6 }, () => new WebSocket(url).on('error', () => {}))
    onTestFinished(() => {
      for (const socket of idle) socket.destroy()
      for (const socket of quiet) socket.terminate()
    })
    await until(() => quiet.filter(({ readyState }) => readyState === WebSocket.OPEN).length >= 4)
    const session = await connect(url, device)
    await session.ping()
    expect(server.sessions.length).toBe(1)
    expect(codes()).toContain('TOO_MANY_CONNECTIONS')
    expect(new Set(codes())).toEqual(new Set(['TOO_MANY_CONNECTIONS']))
  })

  test('a connection that asks for nothing ends by its deadline', async () => {
    const { url } = await startWebSocketServer({}, { handshakeTimeout: 300 })
    const socket = connectSocket(Number(new URL(url).port), LOOPBACK)
    socket.write('GET / HTTP/1.1\r\n')
    socket.resume()
    await once(socket, 'close')
  })

  test('a port that is taken is told, and nothing stays open', async () => {
    const first = await startWebSocketServer()
    const port = Number(new URL(first.url).port)
    const failure = await failureOf(
      listen({ tcp: { host: LOOPBACK, port: 0 }, websocket: { host: LOOPBACK, port }, psk: () => PSK }),
    )
    expect([failure.code, failure.message]).toEqual(['TRANSPORT_FAILED', expect.stringContaining('EADDRINUSE')])
    expect(await codeOf(listen({ websocket: { port: 70_000 }, psk: () => PSK }))).toBe('INVALID_ARGUMENT')
  })

  test('sessions() finds a server that comes back', async () => {
    const first = await startWebSocketServer()
    const { port } = new URL(first.url)
    const stop = new AbortController()
    let count = 0
    for await (const session of sessions(first.url, { ...device, signal: stop.signal })) {
      await session.ping()
      if (++count === 2) stop.abort()
      else {
        await first.server.close()
        await startWebSocketServer({ port: Number(port) } as never)
      }
    }
    expect(count).toBe(2)
  })
})

describe('what is no frame', () => {
  /** A WebSocket that says what a test wants, and the code the server tells for it. */
  async function refusalFor(...messages: (string | Uint8Array)[]): Promise<{ code: string; status: number }> {
    const { url, codes } = await startWebSocketServer()
    const socket = new WebSocket(url)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    for (const message of messages) socket.send(message)
    const [status] = await closed
    await until(() => codes().length === 1)
    return { code: codes()[0]!, status }
  }

  test.each([
    ['text', ['hello'], 'BAD_MAGIC', 1002],
    ['text whose bytes begin like a frame', ['\u036b\u0002\u0001'], 'BAD_MAGIC', 1002],
    ['an empty message', [new Uint8Array()], 'INCOMPLETE', 1002],
    ['half a frame', [Uint8Array.of(0xcd, 0xab, 2, 1, 0, 0, 0, 0)], 'INCOMPLETE', 1002],
    ['garbage', [pattern(40)], 'BAD_MAGIC', 1002],
    ['493 bytes', [pattern(493)], 'TRAILING_BYTES', 1009],
  ] as const)('%s', async (_, messages, code, status) => {
    expect(await refusalFor(...messages)).toEqual({ code, status })
  })

  test('bytes behind a frame', async () => {
    const { url, codes } = await startWebSocketServer()
    const transport = await connectWebSocket(new URL(url), { timeout: 1_000 })
    const peer = new ManualPeer(transport, 'client')
    peer.alter = (frame) => Buffer.concat([frame, Uint8Array.of(0)])
    await until(() => codes().length === 1)
    expect(codes()).toEqual(['TRAILING_BYTES'])
  })

  test('a client refuses the same, with the same codes', async () => {
    for (const [message, code] of [
      ['hello', 'BAD_MAGIC'],
      [pattern(493), 'TRAILING_BYTES'],
      [new Uint8Array(), 'INCOMPLETE'],
    ] as const) {
      const { url } = await bareServer((socket) => socket.send(message))
      expect(await codeOf(connect(url, device))).toBe(code)
    }
  })
})

describe('how a WebSocket ends', () => {
  const common = { provider: nodeProvider, random: nodeRandom, clock: nodeClock }

  /** A session of ours with a server that is a bare WebSocket. */
  async function withBareServer(): Promise<{ session: Session; socket: WebSocket; status: () => number | undefined }> {
    let socket!: WebSocket
    let status: number | undefined
    const { url } = await bareServer((arrived) => {
      socket = arrived
      socket.on('close', (code) => (status = code))
      void Session.accept(bareTransport(arrived), { ...common, authorize: () => ({ psk: PSK }) })
    })
    const session = await connect(url, device)
    return { session, socket, status: () => status }
  }

  test('1000 after BYE; 1001 when the server stops, in a session and in a handshake', async () => {
    const good = await withBareServer()
    await good.session.close()
    await until(() => good.status() !== undefined)
    expect(good.status()).toBe(1000)

    const { url, server } = await startWebSocketServer()
    const statuses: number[] = []
    const raw = new WebSocket(url)
    raw.on('close', (code) => statuses.push(code))
    await once(raw, 'open')
    const socket = new WebSocket(url)
    socket.on('close', (code) => statuses.push(code))
    await once(socket, 'open')
    const transport = bareTransport(socket)
    const session = await Session.connect(transport, { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK })
    await server.close()
    expect((await session.closed).code).toBe('CLOSED')
    await until(() => statuses.length === 2)
    expect(statuses).toEqual([1001, 1001])
  })

  test('a status of 1000 without BYE is still TRUNCATED', async () => {
    const { session, socket } = await withBareServer()
    socket.close(1000)
    expect((await session.closed).code).toBe('TRUNCATED')
  })

  test('a close code of a protocol of its own is the cause of the end, where it is asked for; so is the subprotocol', async () => {
    const protocols: string[] = []
    const { url } = await bareServer((socket) => {
      protocols.push(socket.protocol)
      socket.close(4003, 'no token')
    })
    const said = (closeCause?: CloseCause) => {
      const options = { timeout: 5_000, protocol: 'own.1', ...(closeCause ? { closeCause } : {}) }
      return new Promise<unknown>((resolve) => {
        void connectWebSocket(new URL(url), options).then((transport) =>
          transport.open({ receive() {}, drain() {}, end: (cause) => resolve(cause ?? 'in order') }),
        )
      })
    }
    expect(await said((code, reason) => `${code} ${reason}`)).toBe('4003 no token')
    expect(await said(() => undefined)).toBe('in order')
    expect(await said()).toBe('in order')
    expect(protocols).toEqual(['own.1', 'own.1', 'own.1'])
  })

  test('a socket that breaks is TRANSPORT_FAILED with the cause', async () => {
    const { session, socket } = await withBareServer()
    const { _socket: below } = socket as unknown as { _socket: Socket }
    below.resetAndDestroy()
    const reason = await session.closed
    expect([reason.code, (reason.cause as NodeJS.ErrnoException).code]).toEqual(['TRANSPORT_FAILED', 'ECONNRESET'])
  })

  test('a close does not wait without end for a peer that reads nothing', async () => {
    const { session, socket } = await withBareServer()
    socket.pause()
    while (session.trySend(pattern(1808))) await new Promise(setImmediate)
    const begin = performance.now()
    await session.close()
    expect(performance.now() - begin).toBeLessThan(3_000)
  })

  test('nobody there, a server of something else, a silent one, and an abort', async () => {
    expect(await codeOf(connect('ws://127.0.0.1:1/', device))).toBe('UNREACHABLE')
    expect(await codeOf(connect('ws://127.0.0.1:1/#part', device))).toBe('INVALID_ARGUMENT')
    const http = createServer((_, response) => response.end()).listen(0, LOOPBACK)
    await once(http, 'listening')
    onTestFinished(() => void http.close())
    const { port } = http.address() as AddressInfo
    expect((await failureOf(connect(`ws://${LOOPBACK}:${port}/`, device))).message).toContain('200')
    const silentSockets: Duplex[] = []
    http.on('upgrade', (_, socket) => silentSockets.push(socket.on('error', () => {})))
    onTestFinished(() => {
      for (const socket of silentSockets) socket.destroy()
    })
    const silent = await failureOf(connect(`ws://${LOOPBACK}:${port}/`, { ...device, connectTimeout: 100 }))
    expect([silent.code, silent.message]).toEqual(['UNREACHABLE', expect.stringContaining('within 100 ms')])
    const abort = new AbortController()
    const waiting = codeOf(connect(`ws://${LOOPBACK}:${port}/`, { ...device, signal: abort.signal }))
    setImmediate(() => abort.abort())
    expect(await waiting).toBe('ABORTED')
  })
})

/** A server of bare WebSockets. */
async function bareServer(onSocket: (socket: WebSocket) => void): Promise<{ url: string }> {
  const server = new WebSocketServer({ host: LOOPBACK, port: 0 })
  server.on('connection', (socket) => onSocket(socket.on('error', () => {})))
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return { url: `ws://${LOOPBACK}:${(server.address() as AddressInfo).port}/` }
}

/** The least that carries a session over a WebSocket, apart from the code under test. */
function bareTransport(socket: WebSocket): Transport {
  return {
    kind: 'message',
    address: 'bare',
    open: (sink) => {
      socket.on('message', (data: RawData) => sink.receive(data as Buffer))
      socket.on('close', () => sink.end())
    },
    write: (frames) => {
      for (const frame of frames) socket.send(frame)
      return true
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: async () => {},
    abort: () => socket.terminate(),
  }
}
