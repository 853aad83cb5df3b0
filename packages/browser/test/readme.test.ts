// The examples of the README, as they stand, on what stands for a browser here.
import { readFileSync } from 'node:fs'
import * as node from '@usmp/node'
import { DEVICE_ID, PSK, textOf, until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket as WsWebSocket } from 'ws'
import * as browser from '../src/index.ts'
import { serialLine } from './mock-serial-port.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)
const shown: unknown[] = []
const common = {
  deviceId: DEVICE_ID,
  psk: PSK,
  keyOf: () => PSK,
  show: (message: Uint8Array) => shown.push(textOf(message)),
}

/** Runs the example that has `text` in it; what it declares by `result` is what it comes to. */
function run(text: string, scope: Record<string, unknown>, result = 'undefined'): Promise<unknown> {
  const code = examples.find((example) => example.includes(text))!.replace(/^import .*$/gm, '')
  const all = { ...browser, ...common, ...scope }
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  return new AsyncFunction(...Object.keys(all), `${code}\nreturn ${result}`)(...Object.values(all)) as Promise<unknown>
}

/** What a window has, opened at an address. */
function pageAt(address: string): browser.CredentialsPage {
  const kept = new Map<string, string>()
  const location = new URL(address)
  return {
    location,
    history: {
      state: null,
      replaceState: (_state, _unused, url) => void (location.href = new URL(url!, location).href),
    },
    localStorage: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) },
  }
}

test('a browser gets id and key by the printed address, and talks with a server that knows both beforehand', async () => {
  const listen = (options: node.ListenOptions) =>
    node.listen({
      ...options,
      websocket: { ...options.websocket, host: '127.0.0.1', port: 0 } as node.WebSocketOptions,
    })
  const master = crypto.getRandomValues(new Uint8Array(32))
  const { deriveDevicePsk } = node
  const printed: string[] = []
  const id = await run(
    'console.log',
    { deriveDevicePsk, master, console: { log: (line: string) => printed.push(line) } },
    'id',
  )
  const allowed = new Set([id])
  const server = (await run('origins:', { listen, allowed, deriveDevicePsk, master }, 'server')) as node.Server
  onTestFinished(() => server.close())
  const connect = async (url: string, options: browser.ConnectOptions) => {
    const { pathname } = new URL(url)
    const socket = new WsWebSocket(new URL(pathname, server.websocketUrl), { origin: 'https://app.example' })
    await new Promise((resolve) => socket.once('open', resolve))
    return browser.connect(browser.webSocketTransport(socket as unknown as WebSocket), options)
  }
  const greeted = (async () => {
    for await (const session of server) {
      const greeting = textOf(await session.receive())
      await session.send('hello, page')
      await session.close()
      return greeting
    }
  })()
  const page = pageAt(printed[0]!)
  await run('wss://', { connect, browserCredentials: () => browser.browserCredentials({ page }) })
  expect(await greeted).toBe('hello')
  expect(shown.splice(0)).toEqual(['hello, page'])
  expect(String(page.location)).toBe('https://app.example/')
})

test('a serial port: the page is the client', async () => {
  const [near, far] = serialLine()
  const navigator = { serial: { requestPort: async () => Object.assign(near, { open: async () => {} }) } }
  const device = browser.accept(browser.serialTransport(far), { authorize: () => ({ psk: PSK }) })
  const session = (await run('requestPort', { navigator }, 'session')) as browser.Session
  expect((await device).sessionId).toBe(session.sessionId)
  await session.close()
})

test('a serial port: the page is the server', async () => {
  const [near, far] = serialLine()
  const warnings: string[] = []
  const serving = run('acceptAll(', { port: near, console: { warn: (line: string) => warnings.push(line) } })
  const device = await browser.connect(browser.serialTransport(far), { deviceId: DEVICE_ID, psk: PSK })
  await device.send('here')
  await until(() => shown.length > 0)
  expect(shown.splice(0)).toEqual(['here'])
  near.unplug()
  await serving
  expect(warnings).toEqual([expect.stringContaining(DEVICE_ID)])
})

test('message ports', async () => {
  const ends = (await run('MessageChannel', {}, 'Promise.all([server, client])')) as browser.Session[]
  expect(ends[0]!.sessionId).toBe(ends[1]!.sessionId)
  await ends[0]!.close()
})
