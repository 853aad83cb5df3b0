// Whether a relay that sees time, size and direction of every frame can tell messages from cover (specification, section 12.5).
import type { Cover } from '@usmp/relay'
import { Random } from '@usmp/testing'
import { table } from '@usmp/testing/markdown'
import type { Torture } from '../torture.js'
import type { Sample } from './adaboost.js'
import { featuresOfSession, gapsOf, type LabelledFrame, samplesOfFrames } from './observation.js'
import { RealRelay, watchRealCells, watchRealSession } from './real-time.js'
import { watchCells, watchNoise, watchOriginal, watchSession } from './simulated.js'
import { type Accuracy, balance, classify, compareDistributions } from './statistics.js'

/** Of a form: how much is watched, and what the upper end of the interval must stay under. */
interface Form {
  readonly cells: number
  readonly sessions: number
  readonly controls: number
  readonly limit: number
}

const LONG: Form = { cells: 80_000, sessions: 10_000, controls: 8_000, limit: 0.52 }
const SHORT: Form = { cells: 12_000, sessions: 1_000, controls: 1_500, limit: 0.55 }
/** What the lower end of the interval of a control must reach, or the test has no teeth. */
const CONTROL = 0.9
const RATE = 20
const MEAN_GAP = 1000 / RATE
/** Length of a session, in mean gaps. */
const SESSION = 20
const CELL = 492

const gapKinds = ['exponential', 'grid'] as const
type GapKind = (typeof gapKinds)[number]

/** One line of the table. */
export interface Finding {
  readonly name: string
  readonly guess: string
  readonly result: string
  readonly demanded: string
  readonly passed: boolean
}

/** All experiments, each with what it demands. */
export async function proveCover(short: boolean, seed: number, progress: (text: string) => void): Promise<Finding[]> {
  const form = short ? SHORT : LONG
  const findings: Finding[] = []
  const note = (...found: readonly Finding[]) => {
    for (const finding of found) progress(`${finding.name}: ${finding.result}`)
    findings.push(...found)
  }
  note(
    control(
      'T0, like the original',
      'message',
      samplesOfFrames(await watchOriginal(MEAN_GAP, form.controls, seed), MEAN_GAP),
    ),
  )
  note(control('T0, `noise`', 'message', samplesOfFrames(await watchNoise(form.controls, seed), 60_000)))
  note(await provesOfSessions({ mode: 'off' }, 'T0, `off`', Math.ceil(form.sessions / 5), seed, control))
  for (const gaps of gapKinds) note(...(await proveCells(gaps, form, seed)))
  for (const gaps of gapKinds) {
    const hides = (name: string, guess: string, samples: readonly Sample[]) =>
      hidden(name, guess, classify(samples), form.limit)
    const cover: Cover = { mode: 'schedule', rate: RATE, gaps }
    note(await provesOfSessions(cover, `T2, ${gaps}`, form.sessions, seed, hides))
  }
  return findings
}

/** Circuits at once, in real time: with cells to guess, and with whole sessions. */
const CIRCUITS = { cells: 16, sessions: 40 }
/** What the upper end must stay under there: as many whole sessions as for the long form would take an hour. */
const REAL_LIMIT = { cells: 0.52, sessions: 0.55 }

/** T1 and T2 through a relay that is a process of its own, in real time; a quarter of the time each. */
export async function proveCoverForReal(minutes: number, seed: number): Promise<Finding[]> {
  const relay = new RealRelay()
  await relay.start()
  const time = minutes * 15_000
  const findings: Finding[] = []
  try {
    for (const gaps of gapKinds) {
      const cover: Cover = { mode: 'schedule', rate: RATE, gaps }
      const circuits = await watchRealCells(relay, cover, CIRCUITS.cells, time, seed)
      const accuracy = classify(balance(circuits.flatMap((frames) => samplesOfFrames(frames, MEAN_GAP))))
      const gapsOfAll = (label: boolean) => circuits.flatMap((frames) => gapsBefore(frames, label))
      findings.push(
        hidden(`T1, ${gaps}, real time`, 'the cell has a message', accuracy, REAL_LIMIT.cells),
        sameGaps(`gaps before cells, ${gaps}, real time`, gapsOfAll(true), gapsOfAll(false)),
        await realSessions(relay, cover, `T2, ${gaps}, real time`, time, seed),
      )
    }
  } finally {
    await relay.end()
  }
  return findings
}

async function realSessions(
  relay: RealRelay,
  cover: Cover,
  name: string,
  time: number,
  seed: number,
): Promise<Finding> {
  const samples: Sample[] = []
  const coins = new Random(seed)
  const until = performance.now() + time
  const oneAfterAnother = async () => {
    while (performance.now() < until) {
      const { frames, busy } = await watchRealSession(relay, cover, MEAN_GAP, SESSION, coins)
      for (const side of [0, 1] as const) {
        samples.push({ features: featuresOfSession(frames, side, MEAN_GAP), label: busy[side] })
      }
    }
  }
  await Promise.all(Array.from({ length: CIRCUITS.sessions }, oneAfterAnother))
  const guess = 'the end says something in this session'
  return hidden(name, guess, classify(balance(samples)), REAL_LIMIT.sessions)
}

async function proveCells(gaps: GapKind, { cells, limit }: Form, seed: number): Promise<Finding[]> {
  const { frames, arrived, sent } = await watchCells({ mode: 'schedule', rate: RATE, gaps }, cells, seed)
  if (arrived !== sent) throw new Error(`of ${sent} messages ${arrived} arrived: the labels are wrong`)
  const accuracy = classify(balance(samplesOfFrames(frames, MEAN_GAP)))
  return [
    hidden(`T1, ${gaps}`, 'the cell has a message', accuracy, limit),
    sameGaps(`gaps before cells, ${gaps}`, gapsBefore(frames, true), gapsBefore(frames, false)),
    oneSize(`sizes, ${gaps}`, frames),
  ]
}

async function provesOfSessions(
  cover: Cover,
  name: string,
  sessions: number,
  seed: number,
  judge: (name: string, guess: string, samples: readonly Sample[]) => Finding,
): Promise<Finding> {
  const samples: Sample[] = []
  for (let at = 0; at < sessions; at++) {
    const { frames, busy } = await watchSession(cover, MEAN_GAP, SESSION, seed + 1000 * (at + 1))
    for (const side of [0, 1] as const) {
      samples.push({ features: featuresOfSession(frames, side, MEAN_GAP), label: busy[side] })
    }
  }
  return judge(name, 'the end says something in this session', balance(samples))
}

function control(name: string, guess: string, samples: readonly Sample[]): Finding {
  const accuracy = classify(balance(samples))
  return { name, guess, result: show(accuracy), demanded: 'lower end > 90 %', passed: accuracy.low > CONTROL }
}

function hidden(name: string, guess: string, accuracy: Accuracy, limit: number): Finding {
  return {
    name,
    guess,
    result: show(accuracy),
    demanded: `upper end < ${(100 * limit).toFixed(0)} %`,
    passed: accuracy.high < limit,
  }
}

function sameGaps(name: string, one: readonly number[], other: readonly number[]): Finding {
  const { distance, limit } = compareDistributions(one, other)
  return {
    name,
    guess: 'with and without a message: Kolmogorov–Smirnov',
    result: `distance ${distance.toFixed(4)}`,
    demanded: `< ${limit.toFixed(4)}`,
    passed: distance < limit,
  }
}

function oneSize(name: string, frames: readonly LabelledFrame[]): Finding {
  const sizes = [...new Set(frames.map(({ size }) => size))]
  return {
    name,
    guess: 'exact',
    result: `${frames.length} frames of ${sizes.join(', ')} bytes`,
    demanded: `${CELL} bytes`,
    passed: sizes.length === 1 && sizes[0] === CELL,
  }
}

function gapsBefore(frames: readonly LabelledFrame[], label: boolean): number[] {
  return ([0, 1] as const).flatMap((side) => {
    const own = frames.filter(({ from }) => from === side)
    return gapsOf(own.map(({ at }) => at)).filter((_, at) => own[at + 1]!.label === label)
  })
}

function show({ n, share, low, high }: Accuracy): string {
  const percent = (value: number) => (100 * value).toFixed(1)
  return `${percent(share)} % (${percent(low)} to ${percent(high)}), n = ${n}`
}

export const coverTorture: Torture = {
  name: 'cover',
  what: 'whether a relay can tell messages from cover traffic',
  async run({ short, seed, minutes, progress }) {
    const findings = await proveCover(short, seed, progress)
    if (!short) findings.push(...(await proveCoverForReal(minutes, seed)))
    const rows = findings.map(({ name, guess, result, demanded, passed }) => [
      name,
      guess,
      result,
      demanded,
      passed ? 'yes' : '**no**',
    ])
    return table(['experiment', 'to guess', 'right, with the interval of 99.9 %', 'demanded', 'so'], rows)
  },
}
