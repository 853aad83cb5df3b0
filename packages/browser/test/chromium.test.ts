import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import {
  CipherSuite,
  deriveDevicePsk,
  type ListenOptions,
  listen,
  parseDeviceId,
  type Server,
  type Session,
} from '@usmp/node'
import { bundle, INSECURE_HOST, launch, openPage, servePage } from '@usmp/testing/chromium'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createWebSocketStream, WebSocketServer } from 'ws'
import type { PageGlobals } from './page.ts'

// What the page has, for the functions below that run in it.
declare const usmp: PageGlobals['usmp']
declare const bridgedPort: PageGlobals['bridgedPort']

const MASTER = Uint8Array.from({ length: 32 }, (_, i) => i * 37 + 11)
const DEVICE = '02:00:00:00:00:01'
const pskOf = (deviceId: string) => deriveDevicePsk(MASTER, parseDeviceId(deviceId))
const device = { deviceId: DEVICE, psk: [...pskOf(DEVICE)] }

let browser: Browser
let site: Awaited<ReturnType<typeof servePage>>
const faults: unknown[] = []

beforeAll(async () => {
  browser = await launch()
  site = await servePage(await bundle(new URL('./page.ts', import.meta.url)))
})
afterAll(async () => {
  await browser?.close()
  site?.close()
})
afterEach(() => {
  expect(faults.splice(0)).toEqual([])
})

async function page(host = '127.0.0.1'): Promise<Page> {
  const opened = await openPage(browser, `http://${host}:${site.port}/`, faults)
  onTestFinished(() => opened.close())
  return opened
}

/** A server for pages of our site that sends back what it gets; `events` tells what it saw. */
async function echoServer(
  options: Partial<ListenOptions> = {},
): Promise<{ url: string; server: Server; events: string[] }> {
  const origins = [`http://127.0.0.1:${site.port}`, `http://${INSECURE_HOST}:${site.port}`]
  const server = await listen({ websocket: { host: '127.0.0.1', port: 0, origins }, psk: pskOf, ...options })
  onTestFinished(() => server.close())
  const events: string[] = []
  server.addEventListener('refused', ({ error }) => events.push(error.code))
  server.addEventListener('ended', ({ session }) => events.push(session.signal.reason.code))
  void (async () => {
    for await (const session of server) void echo(session)
  })()
  return { url: options.serial ? '' : server.websocketUrl, server, events }
}

async function echo(session: Session): Promise<void> {
  try {
    for await (const message of session) await session.send(message)
  } catch {
    // How it ended is in the events.
  }
}

/** Runs in the page: a whole session with an echo server. */
async function converse(options: {
  target: string
  deviceId: string
  psk: number[]
  suite: CipherSuite
}): Promise<{ sizes: number[]; intact: boolean; ping: number; end: string; secure: boolean; subtle: boolean }> {
  const session = await usmp.connect(options.target, {
    deviceId: options.deviceId,
    psk: Uint8Array.from(options.psk),
    suite: options.suite,
  })
  const sizes: number[] = []
  let intact = true
  for (const size of [0, 1, 451, 452, 453, 904, 1356, 1808]) {
    if (size === 453) await session.rekey()
    const sent = Uint8Array.from({ length: size }, (_, i) => i * 7 + size)
    await session.send(sent)
    const received = (await session.receive())!
    sizes.push(received.length)
    intact &&= received.every((byte, i) => byte === sent[i])
  }
  for (let i = 0; i < 2000; i++) session.trySend(`${i}`)
  for (let i = 0; i < 2000; i++) intact &&= new TextDecoder().decode(await session.receive()) === `${i}`
  const ping = await session.ping()
  await session.close()
  const { code } = await session.closed
  return { sizes, intact, ping, end: code, secure: isSecureContext, subtle: crypto.subtle !== undefined }
}

const ALL_SIZES = [0, 1, 451, 452, 453, 904, 1356, 1808]

describe('a page and a Node server over WebSocket', () => {
  test.each([1, 2] as const)('every size, many messages, rekey, ping, BYE; suite %i', async (suite) => {
    const { url, events } = await echoServer({ suite })
    const result = await (await page()).evaluate(converse, { target: url, ...device, suite })
    expect(result).toMatchObject({ sizes: ALL_SIZES, intact: true, end: 'CLOSED', secure: true })
    expect(result.ping).toBeGreaterThan(0)
    await expect.poll(() => events).toEqual(['CLOSED'])
  })

  test('a page without a secure context: no WebCrypto, and it works', async () => {
    const { url, events } = await echoServer()
    const result = await (await page(INSECURE_HOST)).evaluate(converse, {
      target: url,
      ...device,
      suite: CipherSuite.AES_256_GCM,
    })
    expect(result).toMatchObject({ sizes: ALL_SIZES, intact: true, end: 'CLOSED', secure: false, subtle: false })
    await expect.poll(() => events).toEqual(['CLOSED'])
  })

  /** Runs in the page: what an attempt to connect fails with. */
  async function failure(options: { target: string; deviceId: string; psk: number[] }): Promise<string[]> {
    try {
      await usmp.connect(options.target, { deviceId: options.deviceId, psk: Uint8Array.from(options.psk) })
      return []
    } catch (error) {
      const { code, message, hint } = error as InstanceType<typeof usmp.UsmpError>
      return [code, message, hint]
    }
  }

  test('a wrong key: what the page is told, and what the server says', async () => {
    const { url, events } = await echoServer()
    const wrong = { target: url, deviceId: DEVICE, psk: [...device.psk].reverse() }
    const [code, message, hint] = await (await page()).evaluate(failure, wrong)
    expect(code).toBe('HANDSHAKE_REFUSED')
    expect(message).toContain('after our proof')
    expect(hint).toContain('the key is wrong or the device id unknown')
    expect(events).toEqual(['AUTH_FAILED'])
  })

  test('a page of another origin stays out', async () => {
    const { url, events } = await echoServer({
      websocket: { host: '127.0.0.1', port: 0, origins: ['https://a.example'] },
    })
    const [code, , hint] = await (await page()).evaluate(failure, { target: url, ...device })
    expect(code).toBe('UNREACHABLE')
    expect(hint).toContain('origin')
    expect(events).toEqual(['ORIGIN_REFUSED'])
  })

  test('nobody there, and no address', async () => {
    const opened = await page()
    expect((await opened.evaluate(failure, { target: 'ws://127.0.0.1:1/', ...device }))[0]).toBe('UNREACHABLE')
    expect((await opened.evaluate(failure, { target: 'no address', ...device }))[0]).toBe('UNREACHABLE')
    expect((await opened.evaluate(failure, { target: 'ws://127.0.0.1:1/#x', ...device }))[0]).toBe('INVALID_ARGUMENT')
  })

  test('a server that vanishes is TRUNCATED, one that closes is CLOSED; sessions() comes back to the next', async () => {
    const http = createServer().listen(0, '127.0.0.1')
    const sockets: Socket[] = []
    http.on('connection', (socket) => sockets.push(socket))
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo
    const target = `ws://127.0.0.1:${port}/`
    const origins = [`http://127.0.0.1:${site.port}`]
    const first = await echoServer({ websocket: { server: http, origins } })
    const running = (await page()).evaluate(
      async ({ target, deviceId, psk }) => {
        const ends: string[] = []
        const stop = new AbortController()
        const options = { deviceId, psk: Uint8Array.from(psk), signal: stop.signal }
        for await (const session of usmp.sessions(target, options)) {
          ends.push((await session.closed).code)
          if (ends.length === 2) stop.abort()
        }
        return ends
      },
      { target, ...device },
    )
    await expect.poll(() => first.server.sessions.length).toBe(1)
    for (const socket of sockets) socket.destroy()
    http.close()
    const second = await echoServer({ websocket: { host: '127.0.0.1', port, origins } })
    await expect.poll(() => second.server.sessions.length, { timeout: 60_000 }).toBe(1)
    await second.server.close()
    expect(await running).toEqual(['TRUNCATED', 'CLOSED'])
  })
})

describe('a page and a worker over a message port', () => {
  test('the worker is the server; every size, rekey, ping, BYE', async () => {
    const result = await (await page()).evaluate(async ({ deviceId, psk }) => {
      const code = `
          importScripts('${location.origin}/script.js')
          onmessage = async ({ data: { port, psk } }) => {
            const session = await usmp.accept(usmp.messagePortTransport(port), { authorize: () => ({ psk }) })
            for await (const message of session) await session.send(message)
            postMessage((await session.closed).code)
          }`
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })))
      const workerEnd = new Promise<string>((resolve) => (worker.onmessage = ({ data }) => resolve(data)))
      const { port1, port2 } = new MessageChannel()
      const key = Uint8Array.from(psk)
      worker.postMessage({ port: port2, psk: key }, [port2])
      const session = await usmp.connect(usmp.messagePortTransport(port1), { deviceId, psk: key })
      const sizes: number[] = []
      for (const size of [0, 1, 452, 453, 1808]) {
        await session.send(new Uint8Array(size).fill(size))
        sizes.push((await session.receive())!.length)
      }
      await session.rekey()
      // More than the window, so that back pressure has to work.
      const total = 1000
      const sending = (async () => {
        for (let i = 0; i < total; i++) await session.send(new Uint8Array(1808).fill(i))
      })()
      let intact = true
      for (let i = 0; i < total; i++) intact &&= (await session.receive())![1807] === (i & 0xff)
      await sending
      const ping = await session.ping()
      await session.close()
      return { sizes, intact, ping, ends: [(await session.closed).code, await workerEnd] }
    }, device)
    expect(result).toMatchObject({ sizes: [0, 1, 452, 453, 1808], intact: true, ends: ['CLOSED', 'CLOSED'] })
  })

  test('a page and a frame in it, which ends the port without BYE: TRUNCATED', async () => {
    const end = await (await page()).evaluate(async ({ deviceId, psk }) => {
      const frame = document.createElement('iframe')
      frame.src = '/'
      await new Promise((resolve) => {
        frame.onload = resolve
        document.body.append(frame)
      })
      const { port1, port2 } = new MessageChannel()
      const key = Uint8Array.from(psk)
      const inside = frame.contentWindow as unknown as { usmp: typeof usmp; Uint8Array: Uint8ArrayConstructor }
      const other = inside.usmp
      const keyInside = inside.Uint8Array.from(psk)
      const [session] = await Promise.all([
        usmp.connect(usmp.messagePortTransport(port1), { deviceId, psk: key }),
        other.accept(other.messagePortTransport(port2), { authorize: () => ({ psk: keyInside }) }),
      ])
      await session.send('hello')
      port2.postMessage(null)
      return (await session.closed).code
    }, device)
    expect(end).toBe('TRUNCATED')
  })
})

describe('a page and a gateway over a serial port of Web Serial', () => {
  test('noise before and within, sessions one after the other, unplugged in the end', async () => {
    const bridge = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    onTestFinished(() => void bridge.close())
    await once(bridge, 'listening')
    const line = {
      name: 'bridge',
      open: async () => createWebSocketStream((await once(bridge, 'connection'))[0]),
    }
    const { events } = await echoServer({ websocket: undefined as never, serial: line })
    const target = `ws://127.0.0.1:${(bridge.address() as { port: number }).port}/`
    const result = await (await page()).evaluate(
      async ({ deviceId, psk, target }) => {
        const port = await bridgedPort(target)
        port.receive(new TextEncoder().encode('ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n'))
        const sizes: number[] = []
        const ends: string[] = []
        for (let round = 0; round < 2; round++) {
          const session = await usmp.connect(usmp.serialTransport(port), { deviceId, psk: Uint8Array.from(psk) })
          for (const size of [0, 1, 453, 1808]) {
            await session.send(new Uint8Array(size).fill(7))
            port.receive(new TextEncoder().encode('I (4242) wifi: noise\r\n'))
            sizes.push((await session.receive())!.length)
          }
          if (round === 0) await session.close()
          else port.unplug()
          ends.push((await session.closed).code)
        }
        return { sizes, ends }
      },
      { ...device, target },
    )
    expect(result).toEqual({ sizes: [0, 1, 453, 1808, 0, 1, 453, 1808], ends: ['CLOSED', 'TRANSPORT_FAILED'] })
    expect(events[0]).toBe('CLOSED')
  })
})
