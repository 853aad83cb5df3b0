import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { listen } from '@usmp/node'
import { WebSocketServer } from 'ws'
import { findChromium, openPage } from '../contestants/chromium.js'
import { type Suite, suites } from '../contestants/primitives.js'
import { suiteIds } from '../contestants/usmp-memory.js'
import { NO_LIMIT } from '../contestants/usmp-tcp.js'
import { psk } from '../fixtures.js'
import type { Contestant } from '../interleave.js'
import type { PageGlobals, Target } from '../page/page.js'
import type { Bench } from './bench.js'

/** What the page has, for the functions below that run in it. */
declare const bench: PageGlobals

const SIZES = [64, 452, 1808]
const WINDOW = 64

type AtEnd = Parameters<Bench['contestants']>[0]

/** A page of Chromium, and a server in this process. */
export const browserSessions: Bench = {
  id: 'browser',
  title: 'A page in Chromium',
  unit: 'µs',
  rounds: 11,
  about:
    'A page and a server in Node over a WebSocket on the loopback interface. A handshake is a connection with one byte there ' +
    `and back, one after another, the median; messages go there and back, ${WINDOW} under way. The page’s cryptography is ` +
    'noble, as WebCrypto is not used; the server’s is node:crypto and libsodium.',
  missing: () => (findChromium() ? undefined : 'there is no program `chromium` in PATH'),
  async contestants(atEnd) {
    const { page, origin } = await openPage(atEnd)
    const key = [...psk]
    const bare: Target = { url: await serveBare(atEnd), psk: key }
    const sessions: [Suite, Target][] = []
    for (const suite of suites) {
      sessions.push([suite, { url: await serveSessions(suite, origin, atEnd), suite: suiteIds[suite], psk: key }])
    }

    // The last that is opened is the first that is closed: the sessions end before their servers.
    atEnd(() => page.evaluate(() => bench.leave()))

    const visits = (target: Target) => (count: number) =>
      page.evaluate(([target, count]) => bench.visit(target, count), [target, count] as const)
    const echoes = (target: Target, size: number) => (count: number) =>
      page.evaluate(([target, ...rest]) => bench.echo(target, ...rest), [target, size, count, WINDOW] as const)

    /** One thing done bare and by sessions with each suite. */
    const compare = (what: string, measure: (target: Target) => Contestant['measure']): Contestant[] => {
      const limit = `WebSocket, ${what}`
      return [
        { name: limit, measure: measure(bare) },
        ...sessions.map(([suite, target]) => ({ name: `USMP ${suite}, ${what}`, limit, measure: measure(target) })),
      ]
    }
    return [
      ...compare('connection', visits),
      ...SIZES.flatMap((size) => compare(`${size} bytes`, (target) => echoes(target, size))),
    ]
  },
}

async function serveBare(atEnd: AtEnd): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data) => socket.send(data))
  })
  await once(server, 'listening')
  atEnd(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serveSessions(suite: Suite, origin: string, atEnd: AtEnd): Promise<string> {
  const server = await listen({
    ...NO_LIMIT,
    websocket: { host: '127.0.0.1', port: 0, origins: [origin] },
    suite: suiteIds[suite],
    psk: () => psk,
  })
  atEnd(() => server.close())
  void (async () => {
    for await (const session of server) {
      void (async () => {
        for await (const received of session) await session.send(received)
      })()
    }
  })()
  return server.websocketUrl
}
