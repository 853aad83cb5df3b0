import type { Bench } from './benches/bench.js'
import { type Effort, interleave } from './interleave.js'
import type { Table } from './report.js'

/** Measures one table. */
export async function runBench(
  bench: Bench,
  effort: Effort & { readonly minimal: boolean },
  progress: (text: string) => void,
): Promise<Table> {
  const closers: (() => unknown)[] = []
  try {
    progress(`${bench.title}: getting ready`)
    const contestants = await bench.contestants((close) => closers.push(close), effort.minimal)
    const rounds = Math.min(effort.rounds, bench.rounds ?? effort.rounds)
    progress(`${bench.title}: warming up`)
    const rows = await interleave(contestants, { ...effort, rounds }, (done, all) =>
      progress(`${bench.title}: round ${done} of ${all}`),
    )
    const { id, title, unit, about } = bench
    return { id, title, unit, about, rows }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}
