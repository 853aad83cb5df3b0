// A page whose serial port leads to the C core: Web Serial (a mock in the page), a WebSocket, a pseudo-terminal, usmp-peer.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { CipherSuite, serialPort } from '@usmp/node'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { Cable } from '@usmp/testing/cable'
import { bundle, launch, openPage, servePage } from '@usmp/testing/chromium'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { PageGlobals } from './page.ts'

// What the page has, for the functions below that run in it.
declare const usmp: PageGlobals['usmp']
declare const bridgedPort: PageGlobals['bridgedPort']

const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const SIZES = [0, 1, 451, 452, 453, 904, 1356, 1808]
const BOOT_LOG = 'ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n'

let browser: Browser
let site: Awaited<ReturnType<typeof servePage>>
const faults: unknown[] = []

beforeAll(async () => {
  buildCPeers()
  browser = await launch()
  site = await servePage(await bundle(new URL('./page.ts', import.meta.url)))
}, 600_000)
afterAll(async () => {
  await browser?.close()
  site?.close()
})
afterEach(() => {
  expect(faults.splice(0)).toEqual([])
})

/** A page, and a cable whose near end it reaches by the bridge at `url`. */
async function pageWithLine(): Promise<{ page: Page; cable: Cable; url: string; bridged: () => Promise<void> }> {
  const cable = await Cable.plugged()
  const bridge = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  onTestFinished(() => {
    for (const client of bridge.clients) client.terminate()
    bridge.close()
  })
  await once(bridge, 'listening')
  bridge.on('connection', async (socket: WebSocket) => {
    const port = createWebSocketStream(socket)
    const line = await serialPort(cable.near).open()
    for (const end of [port, line]) {
      end.on('error', () => {})
      end.on('close', () => {
        socket.terminate()
        line.destroy()
      })
    }
    port.pipe(line).pipe(port)
    bridge.emit('bridged')
  })
  const page = await openPage(browser, `http://127.0.0.1:${site.port}/`, faults)
  onTestFinished(() => page.close())
  const url = `ws://127.0.0.1:${(bridge.address() as AddressInfo).port}/`
  return { page, cable, url, bridged: async () => void (await once(bridge, 'bridged')) }
}

function startC(...args: string[]): CPeer {
  const peer = new CPeer('psa', psk, args)
  onTestFinished(() => peer.stop())
  return peer
}

interface Served {
  readonly deviceId: string
  readonly messages: number
  readonly end: string
}

/** Runs in the page: serves its port, one session after the other, whose messages go back; tells of each that has ended. */
async function serveAll({ url, psk, suite, log }: { url: string; psk: number[]; suite: CipherSuite; log: string }) {
  const port = await bridgedPort(url)
  port.receive(new TextEncoder().encode(log))
  const served: Served[] = []
  Object.assign(globalThis, { served })
  const authorize = () => ({ psk: Uint8Array.from(psk), suite })
  void (async () => {
    for await (const session of usmp.acceptAll(usmp.serialTransport(port), { authorize })) {
      let messages = 0
      try {
        for await (const message of session) {
          messages++
          await session.send(message)
        }
      } catch {
        // How it ended is in `closed`.
      }
      served.push({ deviceId: session.deviceId, messages, end: (await session.closed).code })
    }
  })()
}

/** Waits until the page has served so many sessions. */
async function sessionsServed(page: Page, count: number): Promise<Served[]> {
  const served = await page.waitForFunction((count) => {
    const { served } = globalThis as unknown as { served: Served[] }
    return served.length >= count && served
  }, count)
  return served.jsonValue() as Promise<Served[]>
}

test.each([
  [CipherSuite.AES_256_GCM, 'aes'],
  [CipherSuite.CHACHA20_POLY1305, 'chacha'],
] as const)(
  'the page is the server: C clients one after the other, one of which restarts without a word; suite %i',
  async (suite, option) => {
    const { page, cable, url, bridged } = await pageWithLine()
    const open = bridged()
    await page.evaluate(serveAll, { url, psk: [...psk], suite, log: BOOT_LOG })
    await open
    const client = (...args: string[]) =>
      startC('--connect', `serial:${cable.far}:115200`, '--device-id', deviceId, '--suite', option, ...args)

    const first = client('--exchange', '24', '--sizes', SIZES.join(), '--ping', '--rekey-every', '7')
    expect(await first.says('exchanged')).toBe('24')
    expect(await first.exitCode()).toBe(0)

    const vanishing = client()
    vanishing.write('I am here')
    expect(await vanishing.says('message')).toBe('I am here')
    vanishing.signal('SIGKILL')
    await vanishing.exitCode()

    const back = client('--exchange', '8', '--sizes', SIZES.join())
    expect(await back.says('exchanged')).toBe('8')
    expect(await back.exitCode()).toBe(0)
    expect(await sessionsServed(page, 3)).toEqual([
      { deviceId, messages: 24, end: 'CLOSED' },
      { deviceId, messages: 1, end: 'REPLACED' },
      { deviceId, messages: 8, end: 'CLOSED' },
    ])
  },
)

/** Runs in the page: a session with an echo server. */
async function converse(options: {
  url: string
  deviceId: string
  psk: number[]
  suite: CipherSuite
  sizes: number[]
  log: string
}): Promise<{ intact: boolean; end: string; id: string }> {
  const port = await bridgedPort(options.url)
  port.receive(new TextEncoder().encode(options.log))
  let intact = true
  const session = await usmp.connect(usmp.serialTransport(port), {
    deviceId: options.deviceId,
    psk: Uint8Array.from(options.psk),
    suite: options.suite,
  })
  for (const size of [...options.sizes, ...options.sizes]) {
    const sent = Uint8Array.from({ length: size }, (_, i) => i * 7 + size)
    // The line is quiet now: noise within a frame would cost the session.
    port.receive(new TextEncoder().encode('I (4242) wifi: noise\r\n'))
    await session.send(sent)
    const received = (await session.receive())!
    intact &&= received.length === size && received.every((byte, i) => byte === sent[i])
    if (size === 1808) await session.rekey()
  }
  intact &&= (await session.ping()) > 0
  await session.close()
  return { intact, end: (await session.closed).code, id: session.sessionId }
}

test.each([
  [CipherSuite.AES_256_GCM, 'aes'],
  [CipherSuite.CHACHA20_POLY1305, 'chacha'],
] as const)(
  'the C program is the server: sizes, rekey, ping, BYE, noise both ways; suite %i',
  async (suite, option) => {
    const { page, cable, url } = await pageWithLine()
    const peer = startC('--listen', `serial:${cable.far}:115200`, '--echo', '--suite', option)
    await peer.says('listening')
    cable.noise(BOOT_LOG)
    const options = { url, deviceId, psk: [...psk], suite, sizes: SIZES, log: BOOT_LOG }
    const { intact, end, id } = await page.evaluate(converse, options)
    expect([intact, end]).toEqual([true, 'CLOSED'])
    expect(await peer.says('connected')).toBe(`${deviceId.replaceAll(':', '')} ${id}`)
    expect(await peer.says('closed')).toBe('CLOSED')
  },
)

test('the C program is the server: a wrong key stays out; unplugged within a session and plugged in again', async () => {
  const { page, cable, url } = await pageWithLine()
  const peer = startC('--listen', `serial:${cable.far}:115200`, '--echo')
  await peer.says('listening')
  const refusal = await page.evaluate(
    async ({ url, deviceId, psk }) => {
      const port = await bridgedPort(url)
      const wrong = { deviceId, psk: Uint8Array.from(psk).reverse(), handshakeTimeout: 1_000 }
      const error = await usmp.connect(usmp.serialTransport(port), wrong).catch((error) => error)
      Object.assign(globalThis, { port })
      return (error as InstanceType<typeof usmp.UsmpError>).code
    },
    { url, deviceId, psk: [...psk] },
  )
  expect(refusal).toBe('HANDSHAKE_TIMEOUT')
  expect(await peer.says('failed')).toBe('AUTH_FAILED')
  await page.evaluate(
    async ({ deviceId, psk }) => {
      const { port } = globalThis as unknown as { port: Awaited<ReturnType<typeof bridgedPort>> }
      const session = await usmp.connect(usmp.serialTransport(port), { deviceId, psk: Uint8Array.from(psk) })
      await session.send('there')
      await session.receive()
      Object.assign(globalThis, { cut: session.closed })
    },
    { deviceId, psk: [...psk] },
  )
  await cable.unplug()
  const cut = await page.evaluate(() =>
    (globalThis as unknown as { cut: Promise<{ code: string }> }).cut.then(({ code }) => code),
  )
  expect(cut).toBe('TRANSPORT_FAILED')
  expect(await peer.says('closed')).toMatch(/TRANSPORT_FAILED|TRUNCATED/)
  await cable.plug()
  await peer.says('listening')
  const options = { url, deviceId, psk: [...psk], suite: CipherSuite.AES_256_GCM, sizes: [100], log: BOOT_LOG }
  expect(await page.evaluate(converse, options)).toMatchObject({ intact: true, end: 'CLOSED' })
})
