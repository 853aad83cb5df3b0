// The server that is attacked: listen() with its defaults, and an application that sends back what it gets.
import { listen, type Session } from '@usmp/node'
import { Kind, kindOf, psk } from '../hostile/identities.js'
import type { ServerFigures } from '../hostile/results.js'
import { obey } from './obey.js'

const HOST = '127.0.0.1'
const SAMPLE = 50
const MESSAGE = new Uint8Array(1000).fill(0x5a)

const server = await listen({
  tcp: { host: HOST, port: 0 },
  udp: { host: HOST, port: 0 },
  psk: (deviceId) => (kindOf(deviceId) === Kind.STRANGER ? null : psk),
})
let events: Record<string, number> = {}
const note = (name: string) => (events[name] = (events[name] ?? 0) + 1)
server.addEventListener('refused', ({ error }) => note(error.code))
server.addEventListener('warning', ({ message }) => note(message))
server.addEventListener('ended', ({ session }) => {
  const { code } = session.signal.reason
  if (code !== 'CLOSED') note(`ended: ${code}`)
})
server.addEventListener('session', ({ session }) => void serve(session).catch(() => {}))

async function serve(session: Session): Promise<void> {
  const kind = kindOf(session.deviceId)
  if (kind === Kind.IGNORED) return void (await session.closed)
  if (kind === Kind.LISTENER) for (;;) await session.send(MESSAGE)
  for await (const message of session) await session.send(message)
}
// The events tell of the sessions; the queue of the iteration is emptied.
void (async () => {
  for await (const _ of server);
})()

let worst = 0
setInterval(() => (worst = Math.max(worst, process.memoryUsage.rss())), SAMPLE).unref()

let droppedBefore: Record<string, number> = {}
async function figures(): Promise<ServerFigures> {
  const seen = { events, worst: Math.max(worst, process.memoryUsage.rss()) }
  // Twice, as what the first collection finishes off is free only in the second.
  for (let i = 0; i < 2; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, SAMPLE))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  const dropped = Object.fromEntries(server.dropped)
  const since = Object.entries(dropped).map(([code, count]) => [code, count - (droppedBefore[code] ?? 0)])
  droppedBefore = dropped
  events = {}
  worst = 0
  return { ...seen, resident: rss, heap: heapUsed + external, dropped: Object.fromEntries(since) }
}

await obey({
  ports: () => ({ tcp: server.port, udp: server.udpPort }),
  figures,
  /** Ports of the UDP sessions of good clients. */
  goodUdpPorts: () =>
    server.sessions
      .filter((session) => session.transportKind === 'datagram' && kindOf(session.deviceId) === Kind.GOOD)
      .map(({ address }) => Number(address.split(':').at(-1))),
})
