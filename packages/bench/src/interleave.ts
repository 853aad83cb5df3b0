/** Something that is measured. All measures are costs: less is better. */
export interface Contestant {
  readonly name: string
  /** The name of the contestant that this one is compared with, in the same round. */
  readonly limit?: string
  /** The share of the limit's speed that is aimed at. */
  readonly target?: number
  /** Does the work `count` times and returns the cost of one, in the unit of the table. */
  measure(count: number): number | Promise<number>
}

/** How long to measure. */
export interface Effort {
  /** Rounds in which every contestant has one turn. */
  readonly rounds: number
  /** ms that one turn should take at least. */
  readonly turn: number
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** What one contestant came to. */
export interface Row extends Spread {
  readonly name: string
  readonly limit?: string
  readonly target?: number
  /** Share of the limit's speed: the median over the rounds of (cost of the limit ÷ own cost). */
  readonly share?: number
}

/** Most repetitions of a turn, so that a clock that stands still cannot keep the warm-up going. */
const MAX_COUNT = 1 << 24
/** A turn this many times too long is not worth a second look. */
const PLENTY = 10
/** Part of a turn that is run before it without being counted. */
const LEAD_IN = 0.25

/**
 * Lets the contestants work in turns, A B C A B C …, so that whatever else the machine does meets all of them alike.
 *
 * An own loop, because the benchmark runners of the registry finish one contestant before they begin the next.
 */
export async function interleave(
  contestants: readonly Contestant[],
  effort: Effort,
  progress: (done: number, all: number) => void,
): Promise<Row[]> {
  const counts: number[] = []
  for (const contestant of contestants) counts.push(await warmUp(contestant, effort.turn))
  const costs: number[][] = contestants.map(() => [])
  for (let round = 0; round < effort.rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      const count = counts[i]!
      // Caches and garbage of the contestant before are not this one's; where one piece of work fills a turn they are nothing.
      if (count > 1) await contestant.measure(Math.ceil(count * LEAD_IN))
      costs[i]!.push(await contestant.measure(count))
    }
    progress(round + 1, effort.rounds)
  }
  const costsOf = new Map(contestants.map(({ name }, i) => [name, costs[i]!]))
  return contestants.map((contestant, i) => row(contestant, costs[i]!, costsOf))
}

/** Repeats the work until a turn is long enough, and returns how often that is. */
async function warmUp(contestant: Contestant, turn: number): Promise<number> {
  let count = 1
  let confirmed = false
  for (;;) {
    const start = performance.now()
    await contestant.measure(count)
    const elapsed = performance.now() - start
    if (elapsed >= turn || count >= MAX_COUNT) {
      if (confirmed || elapsed >= PLENTY * turn) return count
      // Once more: where the machine stood still for a moment, the turns would be far too short ever after.
      confirmed = true
      continue
    }
    confirmed = false
    // Aims at the goal, but never more than eightfold: the first rounds are slower than those that follow.
    count = Math.min(MAX_COUNT, Math.ceil(count * Math.min(8, Math.max(1.2, turn / Math.max(elapsed, 0.001)))))
  }
}

function row({ name, limit, target }: Contestant, costs: readonly number[], costsOf: Map<string, number[]>): Row {
  if (limit === undefined) return { name, ...spread(costs) }
  const limits = costsOf.get(limit)
  if (!limits) throw new Error(`${name} is compared with ${limit}, which takes no part`)
  const share = spread(costs.map((cost, round) => limits[round]! / cost)).median
  return { name, limit, ...(target === undefined ? {} : { target }), share, ...spread(costs) }
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
  return { min: sorted[0]!, median, max: sorted.at(-1)! }
}

/** The mean µs of one call, for work that does not wait. */
export function meanOf(work: () => unknown): Contestant['measure'] {
  return (count) => {
    const start = performance.now()
    for (let i = 0; i < count; i++) work()
    return ((performance.now() - start) * 1000) / count
  }
}

/** The median µs of one call after another, for work that waits; `tidy` is not part of the time. */
export function medianOf<T>(work: () => Promise<T>, tidy: (result: T) => Promise<void>): Contestant['measure'] {
  return quantileOf(0.5, work, tidy)
}

/** As {@link medianOf}, the time that a share of the calls stays within. */
export function quantileOf<T>(
  share: number,
  work: () => Promise<T>,
  tidy: (result: T) => Promise<void>,
): Contestant['measure'] {
  return async (count) => {
    const times: number[] = []
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      const result = await work()
      times.push((performance.now() - start) * 1000)
      await tidy(result)
    }
    times.sort((a, b) => a - b)
    return times[Math.min(times.length - 1, Math.floor(times.length * share))]!
  }
}

/** The mean µs of one call with `width` of them under way at once, tidying included. */
export function meanAtOnce<T>(
  width: number,
  work: () => Promise<T>,
  tidy: (result: T) => Promise<void>,
): Contestant['measure'] {
  return async (count) => {
    let left = count
    async function worker(): Promise<void> {
      while (left-- > 0) await tidy(await work())
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: width }, worker))
    return ((performance.now() - start) * 1000) / count
  }
}
