// Processes that are killed or held up, networks that fail, clocks that jump: each round with processes of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '@usmp/testing'
import { table } from '@usmp/testing/markdown'
import { type BrokenRelay, tcpRelay, udpRelay } from './broken-relay.js'
import { Child, type Said } from './children.js'
import type { FaultKind } from './fleet.js'
import { narrowPlaces } from './narrow.js'
import type { Torture, TortureOptions } from './torture.js'

const KINDS: readonly FaultKind[] = ['tcp', 'udp', 'ws']
const names: Record<FaultKind, string> = { tcp: 'TCP', udp: 'UDP', ws: 'WebSocket' }
/** Rounds at once: they mostly wait. */
const AT_ONCE = 8
/** Of each kind of fault on each transport. */
const ROUNDS = { long: 8, short: 1 }
/** When a fault begins, ms after the device has started: in its handshake, or among its messages. */
const LATEST = 1_000
/**
 * Until a device that lost its session has a message confirmed again, ms. It notices after 3 s, an attempt that meets silence
 * takes 2 s for each of its two steps, and after a fault of 5 s the pauses have not grown over 8 s.
 */
const BOUND = 30_000

/** One device and its server, and what both have told. */
class Round {
  readonly kind: FaultKind
  readonly random: Random
  readonly #options: readonly string[]
  readonly #sessions = new Map<string, { readonly from: number; readonly delivered: number[] }>()
  readonly #seen = new Set<number>()
  readonly #faults: string[] = []
  #confirmed = -1
  #wake: (() => void) | undefined
  #port = 0
  device!: Child
  server!: Child
  relay!: BrokenRelay

  constructor(kind: FaultKind, seed: number, options: readonly string[]) {
    this.kind = kind
    this.random = new Random(seed)
    this.#options = options
  }

  async begin(): Promise<void> {
    await this.startServer()
    this.relay = await (this.kind === 'udp' ? udpRelay : tcpRelay)(this.#port)
    await this.startDevice()
  }

  async startServer(): Promise<void> {
    this.server = new Child('fault-server', { args: [this.kind, String(this.#port), ...this.#options] })
    this.server.onSaid((said) => this.#heardServer(said))
    this.#port = await this.server.ask<number>('port')
  }

  /** With the memory of what was confirmed, as a device with a disk has it. */
  async startDevice(): Promise<void> {
    const first = String(this.#confirmed + 1)
    const seed = String(this.random.between(0, 1e6))
    this.device = new Child('fault-device', {
      args: [this.kind, String(this.relay.port), first, seed, ...this.#options],
    })
    const started = new Promise<void>((resolve) => {
      this.device.onSaid((said) => {
        if (said.event === 'started') resolve()
        this.#heardDevice(said)
      })
    })
    await started
  }

  /** The sessions that the device had. */
  get sessionCount(): number {
    return this.#sessions.size
  }

  /** ms until the next message is confirmed. */
  async nextConfirmation(): Promise<number> {
    const begin = performance.now()
    const before = this.#confirmed
    while (this.#confirmed === before) {
      const left = begin + BOUND - performance.now()
      if (left <= 0) throw new Error(`nothing was confirmed for ${BOUND} ms`)
      await Promise.race([
        new Promise<void>((resolve) => (this.#wake = resolve)),
        sleep(left, undefined, { ref: false }),
      ])
    }
    return performance.now() - begin
  }

  async end(): Promise<void> {
    await Promise.all([this.device.kill(), this.server.kill()])
    await this.relay.cut()
  }

  /** What must not be, in words. */
  violations(): string[] {
    const found = [...this.#faults]
    for (const [session, { from, delivered }] of this.#sessions) {
      const wrong = delivered.findIndex((n, i) => n !== from + i)
      if (wrong >= 0) found.push(`session ${session} delivered ${delivered[wrong]} in place of ${from + wrong}`)
    }
    for (let n = 0; n <= this.#confirmed; n++)
      if (!this.#seen.has(n)) found.push(`${n} was confirmed but never delivered`)
    return found
  }

  #heardServer(said: Said): void {
    if (said.event === 'message') this.#delivered(said as unknown as { session: string; n: number })
    else this.#faults.push(`server: ${JSON.stringify(said)}`)
  }

  #delivered({ session, n }: { session: string; n: number }): void {
    this.#seen.add(n)
    // The server may tell of a session first; where it began is known with what the device tells.
    const known = this.#sessions.get(session)
    if (known) known.delivered.push(n)
    else this.#sessions.set(session, { from: n, delivered: [n] })
  }

  #heardDevice(said: Said): void {
    const { event, session, from, n } = said as Said & { session: string; from: number; n: number }
    if (event === 'fault') this.#faults.push(`device: ${JSON.stringify(said)}`)
    if (event === 'session')
      this.#sessions.set(session, { from, delivered: this.#sessions.get(session)?.delivered ?? [] })
    if (event !== 'confirmed') return
    this.#confirmed = Math.max(this.#confirmed, n)
    this.#wake?.()
  }
}

interface Fault {
  readonly name: string
  /** Options of both processes. */
  readonly options?: readonly string[]
  /** Does the harm, and ends it. */
  happen(round: Round): Promise<void>
  /** Whether the session may not notice. */
  readonly harmless?: boolean
}

const faults: readonly Fault[] = [
  {
    name: 'device killed',
    async happen(round) {
      await round.device.kill()
      await sleep(round.random.between(0, 1_000))
      await round.startDevice()
    },
  },
  {
    name: 'server killed',
    async happen(round) {
      await round.server.kill()
      await sleep(round.random.between(0, 2_000))
      await round.startServer()
    },
  },
  {
    name: 'both killed',
    async happen(round) {
      await Promise.all([round.server.kill(), round.device.kill()])
      await round.startServer()
      await round.startDevice()
    },
  },
  {
    name: 'network silent',
    async happen(round) {
      round.relay.setSilent(true)
      await sleep(round.random.between(200, 5_000))
      round.relay.setSilent(false)
    },
  },
  {
    name: 'network cut',
    async happen(round) {
      await round.relay.cut()
      await sleep(round.random.between(0, 3_000))
      await round.relay.restore()
    },
  },
  {
    name: 'device held up',
    async happen(round) {
      round.device.signal('SIGSTOP')
      await sleep(round.random.between(200, 5_000))
      round.device.signal('SIGCONT')
    },
  },
  {
    name: 'server held up',
    async happen(round) {
      round.server.signal('SIGSTOP')
      await sleep(round.random.between(200, 5_000))
      round.server.signal('SIGCONT')
    },
  },
  {
    name: 'clocks jump by hours',
    options: ['--jump'],
    harmless: true,
    happen: () => sleep(4_000),
  },
]

/** What became of one round. */
export interface RoundResult {
  readonly fault: string
  readonly kind: FaultKind
  readonly seed: number
  /** ms from the end of the fault until the next message was confirmed. */
  readonly back: number
  readonly sessions: number
  readonly violations: readonly string[]
}

async function play(fault: Fault, kind: FaultKind, seed: number): Promise<RoundResult> {
  const round = new Round(kind, seed, fault.options ?? [])
  await round.begin()
  const violations: string[] = []
  let back = Number.POSITIVE_INFINITY
  try {
    await sleep(round.random.between(0, LATEST))
    await fault.happen(round)
    back = await round.nextConfirmation()
    // Some more, so that what was under way has time to come twice.
    await sleep(300)
    await round.nextConfirmation()
    if (fault.harmless && round.sessionCount !== 1) violations.push(`${round.sessionCount} sessions in place of one`)
  } catch (error) {
    violations.push((error as Error).message)
  } finally {
    await round.end()
  }
  violations.push(...round.violations())
  return { fault: fault.name, kind, seed, back, sessions: round.sessionCount, violations }
}

/** Every fault on every transport, several times. */
export async function playFaults({ short, seed, progress }: TortureOptions): Promise<RoundResult[]> {
  const rounds = faults.flatMap((fault) =>
    KINDS.flatMap((kind) => Array.from({ length: short ? ROUNDS.short : ROUNDS.long }, () => ({ fault, kind }))),
  )
  const results: RoundResult[] = []
  let next = 0
  async function worker(): Promise<void> {
    while (next < rounds.length) {
      const number = next++
      const { fault, kind } = rounds[number]!
      const result = await play(fault, kind, seed + number)
      results.push(result)
      for (const violation of result.violations) progress(`${fault.name}, ${kind}, seed ${result.seed}: ${violation}`)
      if (results.length % 10 === 0) progress(`${results.length} of ${rounds.length} rounds`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}

function row(fault: Fault, results: readonly RoundResult[]): string[] {
  const of = results.filter(({ fault: name }) => name === fault.name)
  const backs = (kind: FaultKind) => {
    const times = of.filter((result) => result.kind === kind).map(({ back }) => back)
    times.sort((a, b) => a - b)
    return `${seconds(times[times.length >> 1]!)} / ${seconds(times.at(-1)!)}`
  }
  const violations = of.reduce((total, { violations }) => total + violations.length, 0)
  return [fault.name, String(of.length), ...KINDS.map(backs), String(violations)]
}

const seconds = (ms: number) => (ms / 1000).toFixed(1)

export const faultsTorture: Torture = {
  name: 'faults',
  what: 'processes killed, networks that fail, clocks that jump, half a write',
  async run(options) {
    const results = await playFaults(options)
    options.progress('narrow places')
    const narrow = await narrowPlaces(options)
    const header = ['fault', 'rounds', ...KINDS.map((kind) => `${names[kind]}, s`), 'violations']
    return [
      `Seed ${options.seed}. Times: the median, and the longest.`,
      table(
        header,
        faults.map((fault) => row(fault, results)),
      ),
      table(
        ['narrow place', 'messages', 'violations'],
        narrow.map(({ name, messages, violations }) => [name, String(messages), String(violations.length)]),
      ),
    ].join('\n\n')
  },
}
