/** Numbers over time, of the last `span` ms; where nothing came there is a gap. */
export class History {
  readonly #span: number
  readonly #gap: number
  readonly #times: number[] = []
  readonly #columns: (number | null)[][]

  /**
   * @param span ms to keep
   * @param columns numbers in a row
   * @param gap rows further apart than this are not joined by a line, ms
   */
  constructor(span: number, columns: number, gap: number) {
    this.#span = span
    this.#gap = gap
    this.#columns = Array.from({ length: columns }, () => [])
  }

  /** Adds what was at `now`, ms. */
  add(now: number, ...row: (number | null)[]): void {
    const last = this.#times.at(-1)
    if (last !== undefined && now - last > this.#gap)
      this.#push(
        (last + now) / 2,
        row.map(() => null),
      )
    this.#push(now, row)
    const old = this.#times.findIndex((time) => time >= now - this.#span)
    if (old > 0) for (const column of [this.#times, ...this.#columns]) column.splice(0, old)
  }

  /** For a chart: seconds before `now` (negative), then each column. */
  table(now: number): [number[], ...(number | null)[][]] {
    return [this.#times.map((time) => (time - now) / 1000), ...this.#columns]
  }

  clear(): void {
    for (const column of [this.#times, ...this.#columns]) column.length = 0
  }

  #push(time: number, row: readonly (number | null)[]): void {
    this.#times.push(time)
    for (const [index, column] of this.#columns.entries()) column.push(row[index] ?? null)
  }
}
