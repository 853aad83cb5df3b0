// A mixed life for a while: what is lost, doubled or kept, and whether memory grows.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatDeviceId } from '@usmp/core'
import { LossyRelay } from '@usmp/testing'
import { CPeer, cFolder, cPrograms } from '@usmp/testing/c-programs'
import { table } from '@usmp/testing/markdown'
import type { Delay, Memory, Resources } from './children/control-channel.js'
import { Child, type Said } from './children.js'
import { C_DEVICE, deviceId, LOOPBACK, PSK } from './fleet.js'
import type { Torture, TortureOptions } from './torture.js'

const EVERY = { long: 30_000, short: 1_500 }
const SHORT_LENGTH = 8_000
const NETWORK = { loss: 0.02, duplication: 0.02, reordering: 0.05, delay: 5, jitter: 5 }
/** Of the samples, what counts as warming up. */
const WARM_UP = 0.2
/** How long the last sessions may take to end, ms: one over UDP that lost its peer waits for half a minute. */
const SETTLING = 60_000

interface Ports {
  readonly tcp: number
  readonly udp: number
  readonly ws: number
}
interface End {
  readonly sent: number
  readonly echoed: number
  readonly kind: string
  readonly code: string
}
interface ServerEnd {
  readonly delivered: number
  readonly code: string
}
interface Counts {
  readonly sessions: number
  readonly messages: number
  readonly bytes: number
  readonly rekeys: number
  readonly refused: number
}
interface Sample {
  /** Minutes. */
  readonly at: number
  readonly heap: number
  readonly resident: number
}

/** What a soak has shown. */
export interface SoakFigures {
  readonly minutes: number
  readonly counts: Counts
  readonly clientRekeys: number
  /** Sessions of the devices, by transport and by how they ended. */
  readonly ends: Readonly<Record<string, number>>
  /** Runs of the C program; undefined where it is not compiled. */
  readonly cRuns: number | undefined
  readonly badClients: number
  readonly violations: readonly string[]
  /** Of server and clients, bytes a minute. */
  readonly slopes: { readonly server: number; readonly clients: number }
  readonly samples: { readonly server: readonly Sample[]; readonly clients: readonly Sample[] }
  readonly worstDelay: { readonly p99: number; readonly max: number }
  readonly resources: readonly [Resources, Resources]
  readonly left: number
}

/** What both ends tell of their sessions. */
class Ledger {
  readonly violations: string[] = []
  readonly ends: Record<string, number> = {}
  readonly #devices = new Map<string, End>()
  readonly #server = new Map<string, ServerEnd>()

  heardDevice(said: Said): void {
    if (said.event === 'fault') this.violations.push(`device: ${JSON.stringify(said)}`)
    const { session, kind, code } = said as unknown as End & { session: string }
    if (said.event !== 'end') return
    const name = `${kind} ${code}`
    this.ends[name] = (this.ends[name] ?? 0) + 1
    this.#devices.set(session, said as unknown as End)
    this.#compare(session)
  }

  heardServer(said: Said): void {
    if (said.event === 'fault') this.violations.push(`server: ${JSON.stringify(said)}`)
    const { session } = said as unknown as { session: string }
    if (said.event !== 'end') return
    this.#server.set(session, said as unknown as ServerEnd)
    this.#compare(session)
  }

  /** Sessions of which one end has told nothing yet. */
  get open(): number {
    return this.#devices.size + this.#server.size
  }

  #compare(session: string): void {
    const [device, server] = [this.#devices.get(session), this.#server.get(session)]
    if (!device || !server) return
    // An hour has many sessions: what is compared is forgotten.
    this.#devices.delete(session)
    this.#server.delete(session)
    const { sent, echoed, code } = device
    const { delivered } = server
    const well = code === 'CLOSED' && server.code === 'CLOSED'
    if (delivered > sent || echoed > sent) this.violations.push(`${session}: more came than was sent`)
    if (well && delivered !== sent) {
      this.violations.push(`${session}: a good end, but ${delivered} of ${sent} messages arrived`)
    }
  }
}

/** Runs it; the short form takes some seconds. */
export async function soakFor({ short, minutes, seed, progress }: TortureOptions): Promise<SoakFigures> {
  const length = short ? SHORT_LENGTH : minutes * 60_000
  const ledger = new Ledger()
  const server = new Child('soak-server', { args: [String(seed)] })
  server.onSaid((said) => ledger.heardServer(said))
  const { tcp, udp, ws } = await server.ask<Ports>('ports')
  const resourcesBefore = await server.ask<Resources>('resources')
  const relay = await LossyRelay.start(udp, { ...NETWORK, seed })
  const ports = [tcp, relay.port, ws].map(String)
  const clients = new Child('soak-clients', { args: [...ports, String(seed)] })
  clients.onSaid((said) => ledger.heardDevice(said))
  const badClients = new Child('soak-bad-clients', { args: [...ports, String(seed)] })
  const over = new AbortController()
  const running = runCPrograms(tcp, relay.port, over.signal)
  // It is waited for at the end.
  running.catch(() => {})
  const samples: Record<'server' | 'clients', Sample[]> = { server: [], clients: [] }
  const worstDelay = { p99: 0, max: 0 }
  await server.ask('watch')
  const begin = performance.now()
  while (performance.now() - begin < length) {
    await sleep(Math.min(short ? EVERY.short : EVERY.long, length))
    const delay = await server.ask<Delay>('delay')
    worstDelay.p99 = Math.max(worstDelay.p99, delay.p99)
    worstDelay.max = Math.max(worstDelay.max, delay.max)
    for (const [name, child] of [
      ['server', server],
      ['clients', clients],
    ] as const) {
      samples[name].push({ at: (performance.now() - begin) / 60_000, ...(await child.ask<Memory>('memory')) })
    }
    // What the collection itself takes is not counted.
    await server.ask('delay')
    progress(say(samples.server.at(-1)!, await server.ask<Counts>('counts'), ledger))
  }
  over.abort()
  const [attempts, cRuns] = [await badClients.ask<number>('stop'), await running]
  await clients.ask('stop')
  const deadline = performance.now() + SETTLING
  let counts = await server.ask<Counts>('counts')
  while ((counts.sessions > 0 || ledger.open > 0) && performance.now() < deadline) {
    await sleep(200)
    counts = await server.ask<Counts>('counts')
  }
  const { rekeys } = await clients.ask<{ rekeys: number }>('counts')
  // For connections that a bad client has left to the limit of a handshake.
  let resourcesAfter = await server.ask<Resources>('resources')
  while (!same(resourcesBefore, resourcesAfter) && performance.now() < deadline) {
    await sleep(200)
    resourcesAfter = await server.ask<Resources>('resources')
  }
  await Promise.all([clients.end(), badClients.end(), relay.stop()])
  await server.end()
  return {
    minutes: length / 60_000,
    counts,
    clientRekeys: rekeys,
    ends: ledger.ends,
    cRuns,
    badClients: attempts,
    violations: ledger.violations,
    slopes: { server: slope(samples.server), clients: slope(samples.clients) },
    samples,
    worstDelay,
    resources: [resourcesBefore, resourcesAfter],
    left: counts.sessions,
  }
}

/** The C core's host program, over TCP and over the bad network in turn. Throws where an exchange fails. */
async function runCPrograms(tcp: number, udp: number, over: AbortSignal): Promise<number | undefined> {
  if (!existsSync(join(cFolder, cPrograms.psa))) return undefined
  let runs = 0
  for (; !over.aborted; runs++) {
    const at = runs % 2 === 0 ? `tcp:${LOOPBACK}:${tcp}` : `udp:${LOOPBACK}:${udp}`
    const exchange = ['--exchange', '100', '--sizes', '0,1,452,453,1808', '--rekey-every', '30', '--ping']
    const id = formatDeviceId(deviceId(C_DEVICE))
    const peer = new CPeer('psa', PSK, ['--connect', at, '--device-id', id, ...exchange])
    try {
      const code = await peer.exitCode()
      if (code !== 0) throw new Error(`the C program ended with ${code} over ${at}`)
    } finally {
      await peer.stop()
    }
    await sleep(500)
  }
  return runs
}

function same(a: Resources, b: Resources): boolean {
  const text = (resources: Resources) => JSON.stringify(Object.entries(resources).sort())
  return text(a) === text(b)
}

/** Of the heap, by least squares, without the warm-up; bytes a minute. */
function slope(all: readonly Sample[]): number {
  const samples = all.slice(Math.floor(all.length * WARM_UP))
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [at, heap] = [mean(samples.map((sample) => sample.at)), mean(samples.map((sample) => sample.heap))]
  const above = samples.reduce((sum, sample) => sum + (sample.at - at) * (sample.heap - heap), 0)
  const below = samples.reduce((sum, sample) => sum + (sample.at - at) ** 2, 0)
  return below === 0 ? 0 : above / below
}

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
const whole = (count: number) => count.toLocaleString('en')
const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .sort()
    .map(([name, count]) => `${whole(count)} ${name}`)
    .join(', ')

function say({ at, heap }: Sample, { sessions, messages }: Counts, { violations }: Ledger): string {
  return `${at.toFixed(1)} min: ${sessions} sessions, ${messages} messages, heap ${megabytes(heap)}, ${violations.length} violations`
}

function report(figures: SoakFigures, seed: number): string {
  const { minutes, counts, ends, samples, slopes, worstDelay, resources } = figures
  const heaps = (list: readonly Sample[]) => `${megabytes(list[0]!.heap)}, ${megabytes(list.at(-1)!.heap)}`
  const rows: string[][] = [
    ['sessions of the devices, by transport and end', listed(ends)],
    ['messages at the server', `${whole(counts.messages)}, ${megabytes(counts.bytes)}`],
    ['lost at a good end, doubled, out of order, or changed', String(figures.violations.length)],
    ['keys changed by the server, by devices', `${whole(counts.rekeys)}, ${whole(figures.clientRekeys)}`],
    ['runs of the C program, of 100 messages', figures.cRuns === undefined ? 'not compiled' : whole(figures.cRuns)],
    ['bad clients', `${whole(figures.badClients)}, of which ${whole(counts.refused)} reached a refusal`],
    ['heap of the server after a collection, first and last', heaps(samples.server)],
    ['… its slope without the first fifth', `${kilobytes(slopes.server)} a minute`],
    ['heap of the clients, first and last', heaps(samples.clients)],
    ['… its slope', `${kilobytes(slopes.clients)} a minute`],
    ['event loop of the server late, worst half minute: 99 of 100', `${worstDelay.p99.toFixed(1)} ms`],
    ['… at most', `${worstDelay.max.toFixed(1)} ms`],
    ['open in the server before', listed(resources[0])],
    ['… and when all had gone', listed(resources[1])],
  ]
  return `Seed ${seed}, ${minutes.toFixed(1)} minutes.\n\n${table(['', ''], rows)}`
}

export const soak: Torture = {
  name: 'soak',
  what: 'a mixed life for --minutes: sessions come and go, keys change, networks and clients are bad',
  async run(options) {
    const figures = await soakFor(options)
    for (const violation of figures.violations.slice(0, 50)) options.progress(violation)
    return report(figures, options.seed)
  },
}
