import { once } from 'node:events'
import { Session, type Transport, UsmpError } from '@usmp/core'
import { WebSocketListener } from '@usmp/node/internal'
import { codeOf, collect, DEVICE_ID_BYTES, PSK, pattern, textOf, until } from '@usmp/testing'
import { describeAdapter } from '@usmp/testing/adapter-suite'
import { openHandler } from '@usmp/testing/internal'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, test } from 'vitest'
import { WebSocketServer, WebSocket as WsWebSocket } from 'ws'
import { browserCredentials, type CredentialsPage } from '../src/credentials.ts'
import { browserDeviceId } from '../src/device-id.ts'
import { messagePortTransport } from '../src/message-port.ts'
import { webRandom } from '../src/random.ts'
import { serialTransport } from '../src/web-serial.ts'
import { webSocketTransport } from '../src/websocket.ts'
import { serialLine } from './mock-serial-port.ts'

const common = { random: webRandom }

describeAdapter({
  name: 'message port',
  kind: 'message',
  async open() {
    const { port1, port2 } = new MessageChannel()
    return { client: messagePortTransport(port1), server: messagePortTransport(port2) }
  },
})

describeAdapter({
  name: 'Web Serial on a mock line',
  kind: 'serial',
  async open() {
    const [near, far] = serialLine()
    // A line does not tell that a program has left; here the cable is pulled then.
    const pulling = (transport: Transport, other: typeof far): Transport => ({
      ...transport,
      close: () => transport.close().then(() => other.hangUp()),
      abort: () => {
        transport.abort()
        other.hangUp()
      },
    })
    return { client: pulling(serialTransport(near), far), server: pulling(serialTransport(far), near) }
  },
})

/** Both ends are the browser's transport, on sockets that have the interface of a browser's. */
async function webSocketPair(): Promise<{ client: Transport; server: Transport; far: WsWebSocket }> {
  const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(listener, 'listening')
  const near = new WsWebSocket(`ws://127.0.0.1:${(listener.address() as { port: number }).port}`)
  const [[far]] = await Promise.all([once(listener, 'connection'), once(near, 'open')])
  listener.close()
  const transport = (socket: WsWebSocket) => webSocketTransport(socket as unknown as WebSocket)
  return { client: transport(near), server: transport(far), far }
}

/** A page's end with a Node server: two ends of pages would have nothing that slows a sender down. */
describeAdapter({
  name: 'WebSocket of a page',
  kind: 'message',
  async open() {
    let arrived: (transport: Transport) => void
    const server = new Promise<Transport>((resolve) => (arrived = resolve))
    const listener = new WebSocketListener({ host: '127.0.0.1', port: 0 }, { upgradeTimeout: 1_000, maxIdle: 10 })
    await listener.start(openHandler((transport) => arrived(transport)))
    const near = new WsWebSocket(listener.address)
    await once(near, 'open')
    const ends = { client: webSocketTransport(near as unknown as WebSocket), server: await server }
    void listener.close()
    return ends
  },
})

describe('a WebSocket of a browser', () => {
  async function pair(): Promise<{ client: Session; server: Session; far: WsWebSocket }> {
    const ends = await webSocketPair()
    const [client, server] = await Promise.all([
      Session.connect(ends.client, { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK }),
      Session.accept(ends.server, { ...common, authorize: () => ({ psk: PSK }) }),
    ])
    return { client, server, far: ends.far }
  }

  test('messages of all sizes and a good end', async () => {
    const { client, server } = await pair()
    for (const size of [0, 1, 452, 453, 1808]) {
      await client.send(pattern(size))
      expect(await server.receive()).toEqual(pattern(size))
    }
    await client.close()
    expect((await server.closed).code).toBe('CLOSED')
  })

  test('sending waits while the browser holds too much, and goes on', async () => {
    const { client, server, far } = await pair()
    far.pause()
    let sent = 0
    while (client.trySend(pattern(1808))) sent++
    const waiting = client.send('behind')
    far.resume()
    for (let i = 0; i < sent; i++) expect((await server.receive())!.length).toBe(1808)
    await waiting
    expect(textOf(await server.receive())).toBe('behind')
  })

  test('a page that does not read ends the session before it holds too much', async () => {
    const { client, server } = await pair()
    let sent = 0
    while (!server.signal.aborted && !client.signal.aborted) {
      if (client.trySend(pattern(1808))) sent++
      else await new Promise(setImmediate)
    }
    await client.closed
    let received = 0
    const failure = await codeOf(
      (async () => {
        for (;;) if (await server.receive()) received++
      })(),
    )
    expect(failure).toBe('QUEUE_FULL')
    expect(received).toBeGreaterThan(30)
    expect(received).toBeLessThanOrEqual(sent)
  })

  test('text is BAD_MAGIC', async () => {
    const { server, far, client } = await pair()
    void server.closed
    far.send('text')
    expect((await client.closed).code).toBe('BAD_MAGIC')
  })
})

describe('message ports', () => {
  test('what is neither bytes nor ours is BAD_MAGIC', async () => {
    for (const stray of ['text', { cdab: 1 }, [1], 1.5]) {
      const { port1, port2 } = new MessageChannel()
      const connecting = Session.connect(messagePortTransport(port1), {
        ...common,
        deviceId: DEVICE_ID_BYTES,
        psk: PSK,
      })
      port2.postMessage(stray)
      expect(await codeOf(connecting)).toBe('BAD_MAGIC')
      port2.close()
    }
  })

  test.each([1e12, -1, 0])('a report that %d bytes were read does not switch back pressure off', async (report) => {
    const { port1, port2 } = new MessageChannel()
    const server = Session.accept(messagePortTransport(port2), { ...common, authorize: () => ({ psk: PSK }) })
    const peer = await ManualPeer.connected(messagePortTransport(port1))
    const session = await server
    port1.postMessage(report)
    expect((await session.closed).code).toBe('BAD_MAGIC')
    await until(() => peer.ended)
  })

  test('memory that the other side still writes to is copied first, and nothing longer than a frame is', async () => {
    const { port1, port2 } = new MessageChannel()
    const arrived: Uint8Array[] = []
    let cause: unknown
    messagePortTransport(port2).open({
      receive: (bytes) => arrived.push(bytes),
      drain() {},
      end: (error) => (cause = error),
    })
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(1)
    port1.postMessage(shared)
    await until(() => arrived.length > 0)
    shared.fill(2)
    expect([...arrived[0]!]).toEqual([1, 1, 1])
    port1.postMessage(new Uint8Array(493))
    await until(() => cause !== undefined)
    expect(cause).toMatchObject({ code: 'TRAILING_BYTES' })
    expect(arrived).toHaveLength(1)
    port1.close()
  })

  test('a peer that ignores the window does not fill the memory', async () => {
    const { port1, port2 } = new MessageChannel()
    const server = Session.accept(messagePortTransport(port2), { ...common, authorize: () => ({ psk: PSK }) })
    const peer = await ManualPeer.connected(messagePortTransport(port1))
    const session = await server
    for (let i = 0; i < 1_000; i++) peer.send(pattern(1808))
    await until(() => peer.ended)
    expect(await codeOf(collect(session))).toBe('QUEUE_FULL')
  })
})

describe('Web Serial', () => {
  test('a fault of the line costs what it hit, not the port', async () => {
    const [near, far] = serialLine()
    const [client, server] = await Promise.all([
      Session.connect(serialTransport(near), { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK }),
      Session.accept(serialTransport(far), { ...common, authorize: () => ({ psk: PSK }) }),
    ])
    near.fault('FramingError')
    await server.send('after the noise')
    expect(textOf(await client.receive())).toBe('after the noise')
    near.unplug()
    const reason = await client.closed
    expect([reason.code, (reason.cause as DOMException).name]).toEqual(['TRANSPORT_FAILED', 'NetworkError'])
  })

  test('a port outlives its sessions', async () => {
    const [near, far] = serialLine()
    for (let i = 0; i < 3; i++) {
      const [client, server] = await Promise.all([
        Session.connect(serialTransport(near), { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK }),
        Session.accept(serialTransport(far), { ...common, authorize: () => ({ psk: PSK }) }),
      ])
      await client.send(`${i}`)
      expect(textOf(await server.receive())).toBe(`${i}`)
      await Promise.all([client.close(), server.closed])
      await server.close()
    }
  })

  test('a port that is closed or in use is told', () => {
    const [near] = serialLine()
    serialTransport(near)
    expect(() => serialTransport(near)).toThrow('in use')
    near.unplug()
    expect(() => serialTransport(near)).toThrow('not open')
  })
})

describe('device id of a browser', () => {
  test('made once, local, of no group', () => {
    const kept = new Map<string, string>()
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (k: string, v: string) => kept.set(k, v),
    }
    const id = browserDeviceId(storage as never)
    expect(id).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/)
    expect(browserDeviceId(storage as never)).toBe(id)
    expect(browserDeviceId({ getItem: () => null, setItem: () => {} })).not.toBe(id)
  })
})

describe('credentials of a browser', () => {
  const id = '02:00:00:00:00:01'
  const key = '00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0'

  function pageAt(hash: string, kept = new Map<string, string>()) {
    const shown: string[] = []
    const page: CredentialsPage = {
      location: { hash, pathname: '/app', search: '?x=1' },
      history: { state: null, replaceState: (_state, _unused, url) => void shown.push(String(url)) },
      localStorage: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) },
    }
    return { page, kept, shown }
  }

  test('come by the address once, leave it, and are there when the page is opened again', () => {
    const { page, kept, shown } = pageAt(`#id=${id}&key=${key}`)
    const credentials = browserCredentials({ page })
    expect(credentials).toEqual({ deviceId: id, psk: Uint8Array.from(Buffer.from(key, 'hex')) })
    expect(shown).toEqual(['/app?x=1'])
    expect(browserCredentials({ page: pageAt('', kept).page })).toEqual(credentials)
    expect(browserDeviceId(pageAt('', kept).page.localStorage)).toBe(id)
  })

  test("are not replaced by anybody's link, unless the person agrees", () => {
    const { page, kept } = pageAt(`#id=${id}&key=${key}`)
    const credentials = browserCredentials({ page })
    const foreign = `#id=02:00:00:00:00:09&key=${key.replaceAll('a5', '3c')}`
    for (const hash of [foreign, `#id=${id}&key=`]) {
      expect(() => browserCredentials({ page: pageAt(hash, kept).page })).toThrow(UsmpError)
      expect(browserCredentials({ page: pageAt('', kept).page })).toEqual(credentials)
    }
    expect(browserCredentials({ page: pageAt(foreign, kept).page, replace: true })?.deviceId).toBe('02:00:00:00:00:09')
  })

  test('are undefined where there never were any, also beside an id made at random', () => {
    const { page, kept } = pageAt('#chapter-3')
    expect(browserCredentials({ page })).toBeUndefined()
    browserDeviceId(page.localStorage)
    expect(browserCredentials({ page })).toBeUndefined()
    expect(kept.size).toBe(1)
  })

  test.each([`#id=${id}`, `#key=${key}`, `#id=nobody&key=${key}`, `#id=${id}&key=xyz${key}`])(
    '%s is refused and not kept',
    (hash) => {
      const { page, kept } = pageAt(hash)
      expect(() => browserCredentials({ page })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.not.stringContaining(key) }),
      )
      expect(kept.size).toBe(0)
    },
  )
})
