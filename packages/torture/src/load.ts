// Many sessions at once, and many handshakes in a row.

import { table } from '@usmp/testing/markdown'
import type { Delay, Memory, Resources } from './children/control-channel.js'
import { Child } from './children.js'
import type { Torture, TortureOptions } from './torture.js'

const KINDS = ['tcp', 'udp'] as const
type Kind = (typeof KINDS)[number]
const names: Record<Kind, string> = { tcp: 'TCP', udp: 'UDP' }

interface Amount {
  readonly sessions: number
  /** How long every session says something each second, s. */
  readonly seconds: number
  readonly handshakes: number
  /** Sessions that make the code hot and grow the pools, before anything is counted. */
  readonly warmUp: number
}
const LONG: Amount = { sessions: 10_000, seconds: 30, handshakes: 20_000, warmUp: 2_000 }
const SHORT: Amount = { sessions: 200, seconds: 2, handshakes: 400, warmUp: 100 }

/** Processes of clients; the first devices of each. */
const CLIENTS = [0, 20_000]
/** Handshakes at once, in all. */
const AT_ONCE = 16
/** How long the last messages and ends may take to arrive, ms. */
const SETTLING = 60_000

interface Counts {
  readonly sessions: number
  readonly delivered: number
  /** Messages that were not the next one of their session. */
  readonly wrong: number
  readonly refused: number
  /** Sessions that ended otherwise than well. */
  readonly broken: number
}

/** What one transport has shown. */
export interface LoadFigures {
  readonly kind: Kind
  readonly wanted: number
  /** Sessions that are open, seen from the server. */
  readonly open: number
  /** What went wrong at the clients, by code. */
  readonly failures: Readonly<Record<string, number>>
  readonly counts: Counts
  /** Until all are connected, s. */
  readonly connecting: number
  /** Of the server, for each session, bytes. */
  readonly perSession: Memory
  readonly delay: Delay
  readonly sent: number
  /** After all of them are closed. */
  readonly left: number
  readonly handshakes: {
    readonly count: number
    readonly seconds: number
    /** Of the server and of the clients, from before to after, bytes. */
    readonly growth: readonly number[]
    /** What is open in the server before and after. */
    readonly resources: readonly [Resources, Resources]
  }
}

/** The clients of one transport, in several processes. */
class Clients {
  readonly #children: readonly Child[]

  constructor(kind: Kind, port: number) {
    this.#children = CLIENTS.map((first) => new Child('load-clients', { args: [kind, String(port), String(first)] }))
  }

  /** Gives the same command to all. */
  all<T>(command: string, ...args: readonly unknown[]): Promise<T[]> {
    return Promise.all(this.#children.map((child) => child.ask<T>(command, ...args)))
  }

  end(): Promise<unknown> {
    return Promise.all(this.#children.map((child) => child.end()))
  }
}

/** Runs both transports, one after the other. */
export async function measureLoad({ short, progress }: TortureOptions): Promise<LoadFigures[]> {
  const figures: LoadFigures[] = []
  for (const kind of KINDS) figures.push(await measure(kind, short ? SHORT : LONG, progress))
  return figures
}

async function measure(kind: Kind, amount: Amount, progress: (text: string) => void): Promise<LoadFigures> {
  const server = new Child('load-server')
  const ports = await server.ask<Record<Kind, number>>('ports')
  const clients = new Clients(kind, ports[kind])
  const share = (count: number) => Math.ceil(count / CLIENTS.length)
  const atOnce = share(AT_ONCE)
  try {
    await clients.all('handshakes', share(amount.warmUp), atOnce)
    await settle(server, ({ sessions }) => sessions === 0)
    const before = await server.ask<Memory>('memory')

    progress(`${names[kind]}: ${amount.sessions} sessions`)
    const times = await clients.all<number>('open', share(amount.sessions), atOnce)
    const open = (await server.ask<Counts>('counts')).sessions
    const after = await server.ask<Memory>('memory')

    progress(`${names[kind]}: a message a second from each, for ${amount.seconds} s`)
    await server.ask('watch')
    const sent = sum(await clients.all<number>('talk', amount.seconds))
    const delay = await server.ask<Delay>('delay')
    const counts = await settle(server, ({ delivered }) => delivered >= sent)
    await clients.all('close')
    const left = (await settle(server, ({ sessions }) => sessions === 0)).sessions

    progress(`${names[kind]}: ${amount.handshakes} handshakes in a row`)
    const handshakes = await inARow(server, clients, amount.handshakes)
    const failures = merge(await clients.all<{ failures: Record<string, number> }>('counts'))
    return {
      kind,
      wanted: amount.sessions,
      open,
      failures,
      counts,
      connecting: Math.max(...times) / 1000,
      perSession: {
        resident: (after.resident - before.resident) / open,
        heap: (after.heap - before.heap) / open,
      },
      delay,
      sent,
      left,
      handshakes,
    }
  } finally {
    await clients.end()
    await server.end()
  }
}

async function inARow(server: Child, clients: Clients, count: number): Promise<LoadFigures['handshakes']> {
  const share = count / CLIENTS.length
  const heaps = async () => [await server.ask<Memory>('memory'), ...(await clients.all<Memory>('memory'))]
  const [before, opened] = [await heaps(), await server.ask<Resources>('resources')]
  const times = await clients.all<number>('handshakes', share, AT_ONCE / CLIENTS.length)
  await settle(server, ({ sessions }) => sessions === 0)
  const after = await heaps()
  return {
    count,
    seconds: Math.max(...times) / 1000,
    growth: after.map(({ heap }, i) => heap - before[i]!.heap),
    resources: [opened, await server.ask<Resources>('resources')],
  }
}

/** Waits until the server has come so far, or does not any more. */
async function settle(server: Child, isDone: (counts: Counts) => boolean): Promise<Counts> {
  for (const deadline = performance.now() + SETTLING; ; ) {
    const counts = await server.ask<Counts>('counts')
    if (isDone(counts) || performance.now() > deadline) return counts
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function merge(parts: readonly { readonly failures: Readonly<Record<string, number>> }[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const { failures } of parts)
    for (const [code, count] of Object.entries(failures)) all[code] = (all[code] ?? 0) + count
  return all
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
const milliseconds = (ms: number) => `${ms.toFixed(1)} ms`
const whole = (count: number) => count.toLocaleString('en')
const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none'

const rows: readonly (readonly [string, (figures: LoadFigures) => string])[] = [
  ['sessions at once', ({ open, wanted }) => `${whole(open)} of ${whole(wanted)}`],
  ['time until all are connected', ({ connecting }) => `${connecting.toFixed(1)} s`],
  ['memory of the server for each: resident', ({ perSession }) => kilobytes(perSession.resident)],
  ['… objects and buffers', ({ perSession }) => kilobytes(perSession.heap)],
  ['messages sent', ({ sent }) => whole(sent)],
  ['… delivered', ({ counts }) => whole(counts.delivered)],
  ['… out of their order', ({ counts }) => whole(counts.wrong)],
  ['event loop of the server late: median', ({ delay }) => milliseconds(delay.p50)],
  ['… 99 of 100', ({ delay }) => milliseconds(delay.p99)],
  ['… at most', ({ delay }) => milliseconds(delay.max)],
  ['sessions that ended otherwise than well', ({ counts }) => whole(counts.broken)],
  ['sessions left when all were closed', ({ left }) => whole(left)],
  ['handshakes in a row', ({ handshakes }) => whole(handshakes.count)],
  ['… each second', ({ handshakes }) => whole(Math.round(handshakes.count / handshakes.seconds))],
  ['… the server’s objects and buffers have grown by', ({ handshakes }) => kilobytes(handshakes.growth[0]!)],
  ['… those of its clients', ({ handshakes }) => handshakes.growth.slice(1).map(kilobytes).join(', ')],
  ['… open in the server before', ({ handshakes }) => listed(handshakes.resources[0])],
  ['… and after', ({ handshakes }) => listed(handshakes.resources[1])],
  ['failures at the clients', ({ failures }) => listed(failures)],
]

export const load: Torture = {
  name: 'load',
  what: 'thousands of sessions at once, and of handshakes in a row',
  async run(options) {
    const figures = await measureLoad(options)
    return table(
      ['', ...figures.map(({ kind }) => names[kind])],
      rows.map(([name, cell]) => [name, ...figures.map(cell)]),
    )
  },
}
