import type { Row } from './interleave.js'
import type { Report } from './report.js'

/** Less than this is within what two runs of the same code differ by. */
const TOLERANCE = 0.1

/** Limits and peers become slower too, but that is not for this project to mend. */
const OURS = /usmp/i

/** What of ours became worse from one run to the next: shares of the limit, and the sizes of what has none. */
export function findWorse(recorded: Report, current: Report): string[] {
  const worse: string[] = []
  for (const table of current.tables) {
    const before = recorded.tables.find(({ id }) => id === table.id)
    for (const row of table.rows.filter(({ name }) => OURS.test(name))) {
      const old = before?.rows.find(({ name }) => name === row.name)
      const complaint = old && compare(old, row, table.unit)
      if (complaint) worse.push(`${table.title}: ${row.name}: ${complaint}`)
    }
  }
  return worse
}

function compare(old: Row, row: Row, unit: string): string | undefined {
  if (old.share !== undefined && row.share !== undefined) {
    if (row.share >= old.share * (1 - TOLERANCE)) return undefined
    return `${percent(row.share)} of ${row.limit}, was ${percent(old.share)}`
  }
  // Times of two runs say nothing about each other; sizes do.
  if (unit !== 'bytes' || row.median <= old.median * (1 + TOLERANCE)) return undefined
  return `${Math.round(row.median)} bytes, was ${Math.round(old.median)}`
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
