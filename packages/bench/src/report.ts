import type { Row } from './interleave.js'

/** One table of a run. */
export interface Table {
  readonly id: string
  readonly title: string
  /** Of min, median and max; µs are also shown as a rate. */
  readonly unit: 'µs' | 'ms' | 'bytes'
  /** What is compared, and how. */
  readonly about: string
  readonly rows: readonly Row[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly os: string
  readonly node: string
  readonly openssl: string
}

/** A whole run, as it is written with --json. */
export interface Report {
  readonly date: string
  readonly command: string
  readonly machine: Machine
  readonly tables: readonly Table[]
  /** What was left out, and why. */
  readonly notes: readonly string[]
}
