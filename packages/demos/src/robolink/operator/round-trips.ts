/** What a number of measurements come to. */
export interface Summary {
  readonly count: number
  readonly median: number
  /** 95 of 100 are not over it. */
  readonly p95: number
}

/** @param times at least one, in any order */
export function summarize(times: readonly number[]): Summary {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!
  return { count: sorted.length, median: at(0.5), p95: at(0.95) }
}
