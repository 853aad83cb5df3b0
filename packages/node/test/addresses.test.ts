import { createSocket } from 'node:dgram'
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { codeOf, DEVICE_ID, failureOf, PSK } from '@usmp/testing'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../src/connect.ts'
import { parseTarget } from '../src/target.ts'
import { LOOPBACK, startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }
const NAME = 'gateway.example'

afterEach(() => vi.restoreAllMocks())

/** What the name service says about every name from now on; without addresses it never answers. */
function nameService(...addresses: readonly string[]): string[] {
  const asked: string[] = []
  vi.spyOn(dns, 'lookup').mockImplementation(((
    host: string,
    options: { all?: boolean },
    callback: (...answer: unknown[]) => void,
  ) => {
    asked.push(host)
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    if (found.length === 0) return
    setImmediate(() => (options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)))
  }) as never)
  return asked
}

/** A port of both kinds on which a server listens at the IPv4 loopback. */
async function serverOfAllKinds() {
  const place = { host: LOOPBACK, port: 0 }
  const { server } = await startServer({ tcp: place, udp: place, websocket: place })
  const ports = { tcp: server.port, udp: server.udpPort, ws: Number(new URL(server.websocketUrl).port) }
  return (host: string) => [
    `usmp://${host}:${ports.tcp}`,
    `usmp+udp://${host}:${ports.udp}`,
    `ws://${host}:${ports.ws}/`,
  ]
}

describe('a name service that does not answer', () => {
  const urls = [`usmp://${NAME}`, `usmp+udp://${NAME}`, `ws://${NAME}/`]

  test.each(urls)('connectTimeout holds during the look-up: %s', async (url) => {
    nameService()
    const failure = await failureOf(connect(url, { ...device, connectTimeout: 50 }))
    expect([failure.code, failure.message]).toEqual(['UNREACHABLE', expect.stringContaining('within 50 ms')])
  })

  test.each(urls)('signal holds during the look-up: %s', async (url) => {
    const asked = nameService()
    const stop = new AbortController()
    const code = codeOf(connect(url, { ...device, connectTimeout: 0, signal: stop.signal }))
    await vi.waitUntil(() => asked.length === 1)
    stop.abort()
    expect(await code).toBe('ABORTED')
  })
})

test('a WebSocket server that sends its answer byte by byte does not outlast connectTimeout', async () => {
  const slow = createServer((socket) => {
    const timer = setInterval(() => socket.write('H'), 20)
    socket.on('error', () => {}).on('close', () => clearInterval(timer))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Slow: ')
  }).listen(0, LOOPBACK)
  await once(slow, 'listening')
  onTestFinished(() => void slow.close())
  const url = `ws://${LOOPBACK}:${(slow.address() as { port: number }).port}/`
  expect(await codeOf(connect(url, { ...device, connectTimeout: 200 }))).toBe('UNREACHABLE')
})

describe('a name with several addresses', () => {
  test('nobody at the first one: the second is taken, by TCP, UDP and WebSocket', async () => {
    const urls = await serverOfAllKinds()
    nameService('::1', LOOPBACK)
    for (const url of urls(NAME)) {
      const session = await connect(url, device)
      expect(session.address, url).toContain(LOOPBACK)
      await session.close()
    }
  })

  test('the first one is silent: UDP asks the second too, and keeps to the one that answers', async () => {
    const silent = createSocket('udp6')
    const { server } = await startServer({ tcp: undefined as never, udp: { host: LOOPBACK, port: 0 } })
    await once(silent.bind(server.udpPort, '::1'), 'listening')
    onTestFinished(() => void silent.close())
    let heard = 0
    silent.on('message', () => heard++)
    nameService('::1', LOOPBACK)
    const session = await connect(`usmp+udp://${NAME}:${server.udpPort}`, device)
    expect(session.address).toBe(`${LOOPBACK}:${server.udpPort}`)
    expect(heard).toBeGreaterThan(0)
    await session.ping()
    await session.close()
  })

  test('the first one answers with junk: that is no answer', async () => {
    const foreign = createSocket('udp6')
    const { server } = await startServer({ tcp: undefined as never, udp: { host: LOOPBACK, port: 0 } })
    await once(foreign.bind(server.udpPort, '::1'), 'listening')
    onTestFinished(() => void foreign.close())
    foreign.on('message', (_, from) => foreign.send(Uint8Array.of(0), from.port, from.address))
    nameService('::1', LOOPBACK)
    const session = await connect(`usmp+udp://${NAME}:${server.udpPort}`, device)
    expect(session.address).toBe(`${LOOPBACK}:${server.udpPort}`)
    await session.close()
  })

  test('nobody at any: UDP says so', async () => {
    const { server } = await startServer({ tcp: undefined as never, udp: { host: LOOPBACK, port: 0 } })
    const port = server.udpPort
    await server.close()
    nameService('::1', LOOPBACK)
    const failure = await failureOf(connect(`usmp+udp://${NAME}:${port}`, { ...device, handshakeTimeout: 600 }))
    expect([failure.code, failure.message]).toEqual(['UNREACHABLE', expect.stringContaining('ECONNREFUSED')])
  })
})

describe('IPv6 with a zone', () => {
  test.each(['%', '%25'])('in an address of any kind, after %j', (mark) => {
    const host = 'fe80::1%eth0'
    expect(parseTarget(`usmp://[fe80::1${mark}eth0]`)).toEqual({ kind: 'tcp', host, port: 9000 })
    expect(parseTarget(`usmp+udp://[fe80::1${mark}eth0]:9001`)).toEqual({ kind: 'udp', host, port: 9001 })
    expect(parseTarget(`ws://[fe80::1${mark}eth0]:8080/usmp?x`)).toEqual({
      kind: 'websocket',
      url: new URL('ws://[fe80::1]:8080/usmp?x'),
      host,
    })
  })

  const local = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.filter(({ address }) => address.startsWith('fe80:')).map(({ address }) => `${address}%${name}`),
  )
  // A machine need not have a link; the address with its zone is still tested above.
  for (const host of local.slice(0, 1)) {
    test(`listens and connects at ${host}, by TCP, UDP and WebSocket`, async () => {
      const place = { host, port: 0 }
      const { server } = await startServer({ tcp: place, udp: place, websocket: place })
      const ws = server.websocketUrl.match(/:(\d+)\/$/)![1]
      for (const url of [
        `usmp://[${host}]:${server.port}`,
        `usmp+udp://[${host}]:${server.udpPort}`,
        `ws://[${host}]:${ws}/`,
      ]) {
        const session = await connect(url, device)
        expect(session.address, url).toContain('fe80:')
        await session.close()
      }
    })
  }
})

describe('host names', () => {
  test('an international one is looked up in ASCII', async () => {
    const urls = await serverOfAllKinds()
    const asked = nameService(LOOPBACK)
    for (const url of urls('müller.example')) await (await connect(url, device)).close()
    expect(asked).toEqual(Array(3).fill('xn--mller-kva.example'))
  })

  test.each(['usmp://%C3%28.example', 'usmp://a%20b', 'usmp+udp://%'])('%s is none', async (url) => {
    expect(await codeOf(connect(url, device))).toBe('INVALID_ARGUMENT')
  })

  test.each([
    'usmp://host/path',
    'usmp://host?keepalive=5',
    'usmp://host#x',
    'usmp://user:secret@host',
    'usmp+udp://host/x',
  ])('%s: what has no meaning there is refused, not ignored', async (url) =>
    expect(await codeOf(connect(url, device))).toBe('INVALID_ARGUMENT'),
  )
})
