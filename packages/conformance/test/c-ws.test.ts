import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server as HttpServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Session } from '@usmp/core'
import {
  type ListenOptions,
  listen,
  nodeClock,
  nodeProvider,
  nodeRandom,
  type Server,
  type Session as ServerSession,
} from '@usmp/node'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { makeCertificate } from '@usmp/testing/certificate'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { frame, Opcode, readClient, WebSocketByHand } from '../src/websocket-by-hand.js'

const host = '127.0.0.1'
const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const decoder = new TextDecoder()
let folder: string
let tls: { key: string; cert: string }
let ca: string

beforeAll(async () => {
  buildCPeers()
  tls = await makeCertificate()
  folder = await mkdtemp(join(tmpdir(), 'usmp-ws-'))
  ca = await file('ca.pem', tls.cert)
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text, { mode: 0o600 })
  return path
}

async function serve(options: Partial<ListenOptions> = {}, port = 0): Promise<Server> {
  const server = await listen({ websocket: { host, port }, psk: { [deviceId]: psk }, ...options })
  running.push(() => server.close())
  return server
}

/** The port of a server that ends with the test. */
async function listenAt(server: HttpServer): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  running.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

function startC(url: string, ...args: string[]): CPeer {
  const peer = new CPeer('psa', psk, ['--connect', url, '--device-id', deviceId, ...args])
  running.push(() => peer.stop())
  return peer
}

async function nextSession(server: Server): Promise<ServerSession> {
  for await (const session of server) return session
  throw new Error('the server was closed')
}

describe.each(['ws', 'wss'] as const)('a C client over %s', (scheme) => {
  const start = (suite: 1 | 2 = 1) =>
    serve({ suite, websocket: { host, port: 0, path: '/usmp', ...(scheme === 'wss' ? { tls } : {}) } })
  const trust = () => (scheme === 'wss' ? ['--ca', ca] : [])

  test.each([
    [1, 'aes'],
    [2, 'chacha'],
  ] as const)('connect, exchange of all sizes, rekeys, a PING, BYE; suite %i', async (suite, option) => {
    const server = await start(suite)
    const options = ['--sizes', '0,1,451,452,453,904,1356,1808', '--exchange', '40', '--rekey-every', '15', '--ping']
    const peer = startC(server.websocketUrl, ...trust(), '--suite', option, ...options)
    const session = await nextSession(server)
    for await (const message of session) await session.send(message)
    expect(await peer.says('exchanged')).toBe('40')
    expect(await peer.exitCode()).toBe(0)
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('a server that does not read for a while loses nothing', async () => {
    const server = await start()
    const peer = startC(server.websocketUrl, ...trust())
    const lines = Array.from({ length: 300 }, (_, n) => `${n} `.padEnd(1_700, '.'))
    for (const line of lines) peer.write(line)
    const session = await nextSession(server)
    await setTimeout(300)
    for (const line of lines) expect(decoder.decode(await session.receive())).toBe(line)
  })

  test('a client that is held up slows the server down, and loses nothing', async () => {
    const server = await start()
    const peer = startC(server.websocketUrl, ...trust())
    const session = await nextSession(server)
    await session.send('first')
    expect(await peer.says('message')).toBe('first')
    peer.signal('SIGSTOP')
    let waiting: Promise<void> | undefined
    let sent = 0
    // Until one waits: then all between the two is full.
    while (!waiting && sent < 20_000) {
      let done = false
      const sending = session.send(`${sent++} `.padEnd(1_700, '.')).then(() => {
        done = true
      })
      await setTimeout(0)
      if (!done) waiting = sending
    }
    expect(waiting).toBeDefined()
    peer.signal('SIGCONT')
    for (let n = 0; n < sent; n++) expect(await peer.says('message')).toBe(`${n} `.padEnd(1_700, '.'))
    await waiting
  })

  test('a server that stops says BYE, and one that vanishes is never a good end', async () => {
    const server = await start()
    const first = startC(server.websocketUrl, ...trust())
    await nextSession(server)
    await server.close()
    expect(await first.says('closed')).toBe('CLOSED')
    const sockets = new Set<Socket>()
    const http = scheme === 'wss' ? createTlsServer(tls) : createServer()
    http.on('connection', (socket: Socket) => sockets.add(socket))
    const port = await listenAt(http)
    const again = await serve({ websocket: { server: http } })
    const second = startC(`${scheme}://${host}:${port}`, ...trust())
    await nextSession(again)
    for (const socket of sockets) socket.destroy()
    expect(await second.says('closed')).toBe('TRUNCATED')
    expect(await second.exitCode()).toBe(1)
  })

  test('a wrong key is refused', async () => {
    const server = await start()
    const refused = once(server, 'refused')
    const peer = new CPeer('psa', new Uint8Array(randomBytes(32)), [
      '--connect',
      server.websocketUrl,
      '--device-id',
      deviceId,
      ...trust(),
    ])
    running.push(() => peer.stop())
    expect(await peer.says('failed')).toBe('HANDSHAKE_REFUSED')
    await refused
  })
})

describe('TLS of a C client', () => {
  test('a certificate that nobody vouches for, and one of another host', async () => {
    const server = await serve({ websocket: { host, port: 0, tls } })
    const stranger = startC(server.websocketUrl)
    expect(await stranger.says('failed')).toBe('UNREACHABLE')
    expect(stranger.log).toMatch(/no WebSocket: .*(certificate|cert)/i)
    const elsewhere = startC(server.websocketUrl.replace(host, 'localhost'), '--ca', ca)
    expect(await elsewhere.says('failed')).toBe('UNREACHABLE')
    expect(elsewhere.log).toMatch(/no WebSocket: .*(certificate|cert|mismatch)/i)
    const other = await listen({ websocket: { host: '127.0.0.2', port: 0, tls }, psk: { [deviceId]: psk } })
    running.push(() => other.close())
    expect(await startC(other.websocketUrl, '--ca', ca).says('failed')).toBe('UNREACHABLE')
  })

  test('a server that asks for a certificate lets nobody else in', async () => {
    const https = createTlsServer({ ...tls, ca: tls.cert, requestCert: true, rejectUnauthorized: true })
    const port = await listenAt(https)
    const server = await serve({ websocket: { server: https } })
    const url = `wss://${host}:${port}`
    expect(await startC(url, '--ca', ca).says('failed')).toMatch(/UNREACHABLE|HANDSHAKE_REFUSED/)
    const key = await file('client.key', tls.key)
    startC(url, '--ca', ca, '--cert', ca, '--key', key)
    expect((await nextSession(server)).deviceId).toBe(deviceId)
  })

  test('files that cannot be read, and addresses that are none', async () => {
    expect(await startC('wss://127.0.0.1:1', '--ca', join(folder, 'none.pem')).says('failed')).toBe('INVALID_ARGUMENT')
    expect(await startC('wss://127.0.0.1:1', '--cert', ca).says('failed')).toBe('INVALID_ARGUMENT')
    expect(await startC('ws://127.0.0.1:1').says('failed')).toBe('UNREACHABLE')
    expect(await startC('ws://user@127.0.0.1:1').says('failed')).toBe('INVALID_ARGUMENT')
  })
})

describe('what a C client makes of a server that is none', () => {
  async function byHand(): Promise<WebSocketByHand> {
    const server = await WebSocketByHand.start()
    running.push(() => server.stop())
    return server
  }

  test('a page of HTTP instead of a WebSocket', async () => {
    const server = await serve({ websocket: { host, port: 0, path: '/usmp' } })
    const peer = startC(server.websocketUrl.replace('/usmp', '/else'))
    expect(await peer.says('failed')).toBe('UNREACHABLE')
    expect(peer.log).toMatch(/no WebSocket: .+/)
  })

  const head = Uint8Array.of(0xcd, 0xab, 2, 2, 0, 0, 0, 0, 4, 0, 0, 0)
  test.each([
    ['text', [frame(Opcode.TEXT, head)], 1002],
    ['an empty message', [frame(Opcode.BINARY, new Uint8Array(0))], 1002],
    ['a part of a frame', [frame(Opcode.BINARY, head)], 1002],
    ['more than a frame', [frame(Opcode.BINARY, Uint8Array.of(...head, 1, 2, 3, 4, 5))], 1009],
    ['493 bytes', [frame(Opcode.BINARY, new Uint8Array(493))], 1009],
    [
      '493 bytes in fragments',
      [frame(Opcode.BINARY, new Uint8Array(300), { final: false }), frame(Opcode.CONTINUATION, new Uint8Array(193))],
      1009,
    ],
  ] as const)('%s ends it with status $2', async (_, frames, status) => {
    const server = await byHand()
    const peer = startC(server.url)
    const socket = await server.opened
    for (const bytes of frames) socket.write(bytes)
    expect(await readClient(socket)).toBe(status)
    expect(await peer.says('failed')).toMatch(/UNREACHABLE|HANDSHAKE_REFUSED/)
  })

  test('each frame leaves as one message; a frame in fragments, with a ping between, is a frame', async () => {
    const server = await byHand()
    const peer = startC(server.url, '--exchange', '4', '--sizes', '1808')
    const socket = await server.opened
    let sink: { receive(bytes: Uint8Array): void; end(cause?: unknown): void } | undefined
    const early: Uint8Array[] = []
    const status = readClient(socket, (message) => (sink ? sink.receive(message) : early.push(message)))
    const transport = {
      kind: 'message',
      address: 'by hand',
      open(target: NonNullable<typeof sink>) {
        sink = target
        for (const message of early) target.receive(message)
      },
      write(frames: readonly Uint8Array[]) {
        for (const bytes of frames) {
          socket.write(frame(Opcode.BINARY, bytes.subarray(0, 7), { final: false }))
          socket.write(frame(Opcode.PING, Uint8Array.of(1)))
          socket.write(frame(Opcode.CONTINUATION, bytes.subarray(7)))
        }
        return true
      },
      pause() {},
      resume() {},
      async close() {},
      abort() {},
    } as const
    const common = { random: nodeRandom, provider: nodeProvider, clock: nodeClock }
    const session = await Session.accept(transport, { ...common, authorize: () => ({ psk }) })
    for await (const message of session) await session.send(message)
    expect(await peer.says('exchanged')).toBe('4')
    expect(await status).toBe(1000)
  })
})
