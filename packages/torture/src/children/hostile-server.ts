// The server that is attacked: listen() with its defaults, and an application that sends back what it gets.
import { listen, type PskEntry, type Session } from '@usmp/node'
import { EXTENSION, Kind, kindOf, psk } from '../hostile/identities.js'
import type { ServerFigures } from '../hostile/results.js'
import { serveCommands } from './control-channel.js'

const HOST = '127.0.0.1'
const SAMPLE = 50
const MESSAGE = new Uint8Array(1000).fill(0x5a)

/** A server that closes takes 3 s at most; on a busy machine a multiple of it, ms. */
const CLOSE_PATIENCE = 30_000

const uncaught: string[] = []
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => uncaught.push(`${event}: ${error instanceof Error ? error.stack : error}`))
}

const server = await listen({
  tcp: { host: HOST, port: 0 },
  udp: { host: HOST, port: 0 },
  extensions: [EXTENSION],
  psk: keyOf,
})

/** A store of keys that is careless about some devices. */
function keyOf(deviceId: string): PskEntry | null | Promise<PskEntry | null> {
  switch (kindOf(deviceId)) {
    case Kind.STRANGER:
      return null
    case Kind.HANGING:
      return new Promise(() => {})
    case Kind.THROWING:
      return next(failures)()
    case Kind.JUNK:
      return next(junk) as PskEntry
    default:
      return psk
  }
}

function fail(): never {
  throw new Error('no database')
}
const failures: readonly (() => PskEntry)[] = [
  fail,
  () => Promise.reject(new Error('no database')) as never,
  // biome-ignore lint/suspicious/noThenProperty: a thenable that throws is what this is about
  () => ({ then: fail }) as never,
  () => Object.defineProperty({}, 'psk', { get: fail }) as never,
]
const junk: readonly unknown[] = [
  true,
  42,
  'a text',
  {},
  [],
  fail,
  new Uint8Array(0),
  new Uint8Array(2 ** 20),
  { psk, suite: 'AES' },
  { psk: 'a text' },
  Promise.resolve(42),
]
let turn = 0
function next<T>(list: readonly T[]): T {
  return list[turn++ % list.length]!
}

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
  if (kind === Kind.EXTENDED) return extend(session)
  for await (const message of session) await session.send(message)
}
/** Sends extension frames for as long as the session takes them, again and again. */
async function extend(session: Session): Promise<void> {
  while (!session.signal.aborted) {
    while (session.sendExtension(EXTENSION, MESSAGE.subarray(0, 4)));
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
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
  return { ...seen, resident: rss, heap: heapUsed + external, dropped: Object.fromEntries(since), uncaught }
}

/** Whether the server closes in time. */
async function close(): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, CLOSE_PATIENCE, false))
  return Promise.race([server.close().then(() => true), late])
}

await serveCommands({
  ports: () => ({ tcp: server.port, udp: server.udpPort }),
  figures,
  close,
  /** Ports of the UDP sessions of good clients. */
  goodUdpPorts: () =>
    server.sessions
      .filter((session) => session.transportKind === 'datagram' && kindOf(session.deviceId) === Kind.GOOD)
      .map(({ address }) => Number(address.split(':').at(-1))),
})
