import type { Reading, Series } from '@usmp/gateway/contract'

/** How much the fine curves show, ms: as much as the gateway keeps. */
export const FINE_SPAN = 15 * 60_000
/** How much the curves of minutes show, ms. */
export const MINUTE_SPAN = 7 * 24 * 60 * 60_000

/** Columns as a chart draws them: times in seconds, null where nothing was measured. */
export interface Columns {
  readonly at: number[]
  readonly mean: (number | null)[]
  readonly min?: (number | null)[]
  readonly max?: (number | null)[]
}

/** The series of the gateway as columns of a chart. */
export function columnsOf(series: Series): Columns {
  const at = series.at.map((time) => time / 1_000)
  const { mean, min, max } = series
  return { at, mean: [...mean], ...(min && max ? { min: [...min], max: [...max] } : {}) }
}

/** Adds a value that has just come; one that is older than the last is there already. */
export function append(columns: Columns, { at, value }: Reading): boolean {
  const time = at / 1_000
  if (typeof value !== 'number' || time <= (columns.at.at(-1) ?? 0)) return false
  columns.at.push(time)
  columns.mean.push(value)
  return true
}

/** The session has ended: the curve breaks off here. */
export function breakOff(columns: Columns, at: number): void {
  if (columns.at.length === 0 || columns.mean.at(-1) === null) return
  columns.at.push(Math.max(at / 1_000, columns.at.at(-1)! + 0.001))
  columns.mean.push(null)
}

/** Removes what has left the chart at its left side; one value before it stays, so that the line reaches the edge. */
export function prune(columns: Columns, before: number): void {
  const first = columns.at.findIndex((time) => time * 1_000 >= before)
  const gone = first < 0 ? columns.at.length - 1 : first - 1
  if (gone > 0) for (const column of Object.values(columns)) column.splice(0, gone)
}
