import { fc, test } from '@fast-check/vitest'
import { bytesOf } from '@usmp/testing'
import { describe, expect } from 'vitest'
import { MAX_CHANNEL_MESSAGE } from '../../src/cell.ts'
import type { Channel } from '../../src/channel.ts'
import type { Cover } from '../../src/cover.ts'
import { TwoChannels } from './two-channels.ts'

/** How many runs of each property; `pnpm properties` sets more. */
const RUNS = Number(process.env.USMP_MODEL_RUNS ?? 25)

const LENGTH = { minLength: 30, maxLength: 100, size: 'max' } as const

type Side = 0 | 1

/** One thing that happens. */
type Step =
  | { readonly do: 'send'; readonly side: Side; readonly size: number; readonly ttl: number | undefined }
  | { readonly do: 'take'; readonly side: Side; readonly count: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'cut' | 'connect' }
  | { readonly do: 'hold'; readonly ms: number }
  | { readonly do: 'wall'; readonly side: Side; readonly ms: number }
  | { readonly do: 'restart'; readonly side: Side }

const side = fc.constantFrom<Side>(0, 1)
const sizes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 900 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: MAX_CHANNEL_MESSAGE }) },
)
const ttls = fc.option(fc.integer({ min: 1, max: 2000 }), { nil: undefined, freq: 1 })

const calm: fc.WeightedArbitrary<Step>[] = [
  { weight: 8, arbitrary: fc.record({ do: fc.constant('send'), side, size: sizes, ttl: ttls }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take'), side, count: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 100, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold'), ms: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut', 'connect') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wall'), side, ms: fc.integer({ min: -5000, max: 5000 }) }) },
]
const restarts: fc.WeightedArbitrary<Step> = {
  weight: 1,
  arbitrary: fc.record({ do: fc.constant('restart'), side }),
}
const covers = fc.constantFrom<Cover>(
  { mode: 'off' },
  { mode: 'schedule', rate: 50, gaps: 'grid' },
  { mode: 'schedule', rate: 50 },
)

interface Sent {
  readonly name: string
  readonly at: number
  readonly ttl: number | undefined
  /** Which process of the sender, and of the receiver at that time. */
  readonly process: number
}

/** Everything that was said, came out, and was told. */
class Witness {
  readonly sent: [Sent[], Sent[]] = [[], []]
  /** What came out at a side: the name, the process that got it, and when. */
  readonly got: [{ name: string; process: number; at: number }[], { name: string; process: number; at: number }[]] = [
    [],
    [],
  ]
  readonly expired: [string[], string[]] = [[], []]
  readonly unconfirmed: [string[], string[]] = [[], []]
  readonly process = [0, 0]
  readonly world: TwoChannels

  constructor(cover: Cover) {
    this.world = new TwoChannels({ cover, maxMessages: 1000 })
    for (const at of [0, 1] as const) this.#listen(at)
  }

  #listen(at: Side): void {
    const channel = this.world.channels[at]
    channel.addEventListener('expired', ({ data }) => this.expired[at].push(nameOf(data)))
    channel.addEventListener('unconfirmed', ({ data }) => this.unconfirmed[at].push(nameOf(data)))
  }

  async play(step: Step): Promise<void> {
    const { world } = this
    switch (step.do) {
      case 'send':
        return this.#send(step.side, step.size, step.ttl)
      case 'take':
        return this.take(step.side, step.count)
      case 'pass':
        return world.pass(step.ms)
      case 'connect':
        await world.connect()
        return
      case 'cut':
        return world.cut()
      case 'hold':
        if (world.circuit) world.circuit.held = true
        await world.pass(step.ms)
        if (world.circuit) world.circuit.held = false
        return
      case 'wall':
        world.wall[step.side]! += step.ms
        return
      case 'restart':
        world.restart(step.side)
        this.process[step.side]!++
        this.#listen(step.side)
    }
  }

  #send(side: Side, size: number, ttl: number | undefined): void {
    const name = `${side}-${this.sent[side].length} `
    const message = bytesOf(Math.max(size, name.length), 7)
    message.set(new TextEncoder().encode(name))
    const { clock, channels } = this.world
    if (!channels[side].trySend(message, { ttl })) return
    this.sent[side].push({ name: nameOf(message), at: clock.now(), ttl, process: this.process[side]! })
  }

  async take(side: Side, count: number): Promise<void> {
    const { channels, clock } = this.world
    for (let taken = 0; taken < count; taken++) {
      const message = await ready(channels[side])
      if (!message) return
      this.got[side].push({ name: nameOf(message), process: this.process[side]!, at: clock.now() })
    }
  }

  /** From here on all is well, for as long as it takes. */
  async heal(): Promise<void> {
    await this.world.connect()
    for (let round = 0; round < 100; round++) {
      for (const at of [0, 1] as const) await this.take(at, Number.POSITIVE_INFINITY)
      if (this.world.channels.every(({ unconfirmed }) => unconfirmed === 0)) break
      await this.world.pass(1000)
    }
    await this.world.pass(1000)
  }
}

/** Enough to tell a message from every other, and from a damaged one. */
function nameOf(message: Uint8Array): string {
  const sum = message.reduce((total, byte, at) => (total + byte * (at + 1)) % 1_000_003, 0)
  return `${new TextDecoder().decode(message.subarray(0, message.indexOf(0x20)))} ${message.length} ${sum}`
}

/** A message that is there; none is waited for. */
async function ready(channel: Channel): Promise<Uint8Array | undefined> {
  const giveUp = new AbortController()
  const message = channel.receive({ signal: giveUp.signal }).catch(() => undefined)
  for (let i = 0; i < 4; i++) await undefined
  giveUp.abort()
  return message
}

function verifyLifetimes({ sent, got }: Witness): void {
  for (const at of [0, 1] as const) {
    const times = new Map(sent[1 - at]!.map((message) => [message.name, message]))
    for (const { name, at: gotAt } of got[at]) {
      const { ttl, at: sentAt } = times.get(name)!
      if (ttl !== undefined) expect(gotAt - sentAt, `${name} came late`).toBeLessThanOrEqual(ttl)
    }
  }
}

describe('two channels', () => {
  test.prop([covers, fc.array(fc.oneof(...calm), LENGTH)], { numRuns: RUNS })(
    'sessions die at any time: none lost, none twice, order kept, none late, and what is not delivered is told',
    async (cover, steps) => {
      const witness = new Witness(cover)
      for (const step of steps) await witness.play(step)
      await witness.heal()
      for (const from of [0, 1] as const) {
        const got = witness.got[1 - from]!.map(({ name }) => name)
        const gotOnce = new Set(got)
        const expired = new Set(witness.expired[from])
        const unsure = new Set(witness.unconfirmed[from])
        const timed = new Set(witness.sent[from].filter(({ ttl }) => ttl !== undefined).map(({ name }) => name))
        expect(witness.world.channels[from].unconfirmed).toBe(0)
        expect(gotOnce.size).toBe(got.length)
        // Exactly what was sent, in order, but for what expired.
        const due = witness.sent[from].map(({ name }) => name).filter((name) => !expired.has(name))
        expect(got).toEqual(due.filter((name) => gotOnce.has(name) || !unsure.has(name)))
        for (const name of [...expired, ...unsure]) expect(timed).toContain(name)
        for (const name of expired) expect(gotOnce).not.toContain(name)
      }
      verifyLifetimes(witness)
    },
  )

  test.prop([covers, fc.array(fc.oneof(...calm, restarts), LENGTH)], { numRuns: RUNS })(
    'processes restart as well: what a process that lives has sent comes to one that lives, at least once; order kept; none late',
    async (cover, steps) => {
      const witness = new Witness(cover)
      for (const step of steps) await witness.play(step)
      await witness.heal()
      for (const from of [0, 1] as const) {
        const alive = witness.process[from]!
        const got = witness.got[1 - from]!
        const names = new Set(got.map(({ name }) => name))
        const told = new Set([...witness.expired[from], ...witness.unconfirmed[from]])
        const order = witness.sent[from].map(({ name }) => name)
        for (const { name, process } of witness.sent[from]) {
          // What a process of the receiver had acknowledged it had handed out.
          if (process === alive && !told.has(name)) expect(names).toContain(name)
        }
        const receivers = new Set(got.map(({ process }) => process))
        for (const process of receivers) {
          const places = got.filter((one) => one.process === process).map(({ name }) => order.indexOf(name))
          expect(places).not.toContain(-1)
          expect(places).toEqual([...new Set(places)].sort((a, b) => a - b))
        }
      }
      verifyLifetimes(witness)
    },
  )
})
