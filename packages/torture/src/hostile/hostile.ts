// What hostile clients do to a server, and to the good clients beside them.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { table } from '@usmp/testing/markdown'
import type { ScenarioOptions } from '../children/hostile-scenario.js'
import { Child } from '../children.js'
import type { Torture } from '../torture.js'
import { attacks } from './attacks/index.js'
import { lines, type Outcome, type Tally } from './results.js'

/** Everything of a run has this network for itself; whatever comes from 10.0.0.0/8 finds its way back to nobody. */
const NAMESPACE = ['unshare', '-Urn']
const PREPARE = 'ip link set lo up && ip route add local 10.0.0.0/8 dev lo'

/** Whether this machine lets us have a network of our own, and so forge addresses in it. */
function hasNamespaces(): boolean {
  const [program, ...args] = NAMESPACE
  return spawnSync(program!, [...args, 'sh', '-c', `${PREPARE} && python3 -c ''`], { stdio: 'ignore' }).status === 0
}

function startScenario(ownNetwork: boolean): Child {
  return new Child('hostile-scenario', {
    under: ownNetwork ? [...NAMESPACE, 'sh', '-c', `${PREPARE} && exec "$0" "$@"`] : [],
    env: { USMP_TORTURE_PSK: randomBytes(32).toString('hex') },
  })
}

export interface HostileRun {
  readonly outcomes: readonly Outcome[]
  /** Attacks that this machine does not allow. */
  readonly notRun: readonly string[]
}

export interface AttackOptions extends Omit<ScenarioOptions, 'attack'> {
  /** Attacks at a time, each with a server of its own. */
  readonly atOnce: number
}

/** The form for tests. */
export const SHORT: AttackOptions = { without: 150, under: 750, gentle: true, atOnce: 2 }
const LONG: AttackOptions = { without: 1_500, under: 5_000, gentle: false, atOnce: 1 }

/** Runs every attack, each against a new server. */
export async function attackAll(
  { atOnce, ...options }: AttackOptions,
  progress: (text: string) => void,
): Promise<HostileRun> {
  const ownNetwork = hasNamespaces()
  const notRun = attacks.filter(({ spoofs }) => spoofs && !ownNetwork).map(({ name }) => name)
  for (const name of notRun) progress(`NOT RUN: ${name}, because this machine lets us have no network namespace`)
  const names = attacks.map(({ name }) => name).filter((name) => !notRun.includes(name))
  const outcomes: Outcome[] = []
  let next = 0
  const worker = async () => {
    const scenario = startScenario(ownNetwork)
    try {
      for (let index = next++; index < names.length; index = next++) {
        progress(names[index]!)
        outcomes[index] = await scenario.ask<Outcome>('play', { attack: names[index], ...options })
      }
    } finally {
      await scenario.end()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return { outcomes, notRun }
}

const percent = ({ served, tried }: Tally) => (tried === 0 ? '–' : `${((served / tried) * 100).toFixed(1)} %`)
const ms = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0))
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)
const count = (value: number) => (value < 10_000 ? String(value) : `${(value / 1000).toFixed(0)} k`)
const change = (without: number, under: number) => `${ms(without)} → ${ms(under)}`

function row({ attack, seconds, without, under, sent, before, after }: Outcome): string[] {
  return [
    attack,
    `${count(Math.round(sent.connections / seconds))} / ${count(Math.round(sent.packets / seconds))}`,
    percent(under.connects),
    percent(under.farConnects),
    change(without.connects.p50, under.connects.p50),
    change(without.connects.p99, under.connects.p99),
    percent(under.echoes),
    change(without.echoes.p50, under.echoes.p50),
    change(without.echoes.p99, under.echoes.p99),
    `${megabytes(before.resident)}, ${megabytes(after.worst)}, ${megabytes(after.resident)}`,
    `${(before.heap / 1e6).toFixed(1)} → ${(after.heap / 1e6).toFixed(1)}`,
    count(lines(after)),
  ]
}

const header = [
  'attack',
  'connections / packets a second',
  'good connects served',
  'far ones',
  'connect p50, ms',
  'p99, ms',
  'echoes served',
  'echo p50, ms',
  'p99, ms',
  'memory before, at worst, after, MB',
  'objects, MB',
  'log lines',
]

const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .filter(([, number]) => number > 0)
    .map(([code, number]) => `${number} × ${code}`)
    .join(', ')

function sentence({ attack, what, under, after }: Outcome): string {
  const said = listed(after.events) || 'nothing'
  const dropped = listed(after.dropped)
  const failed = listed({ ...under.connects.failures, ...under.farConnects.failures, ...under.echoes.failures })
  return `- **${attack}**: ${what}. The log says: ${said}${dropped && `; counted without a line: ${dropped}`}.${failed && ` Good clients failed with ${failed}.`}`
}

export function report({ outcomes, notRun }: HostileRun): string {
  const missing = notRun.map((name) => `NOT RUN, as this machine lets us have no network namespace: ${name}.`)
  return [table(header, outcomes.map(row)), ...missing, outcomes.map(sentence).join('\n')].join('\n\n')
}

export const hostile: Torture = {
  name: 'hostile',
  what: 'hostile clients against a real server, and the good clients beside them',
  async run({ short, progress }) {
    return report(await attackAll(short ? SHORT : LONG, progress))
  },
}
