import type { Contestant } from '../interleave.js'
import type { Table } from '../report.js'

/** A table to be measured. */
export interface Bench extends Omit<Table, 'rows'> {
  /** Most rounds, where a turn takes long. */
  readonly rounds?: number
  /** Why this cannot be measured on this machine, if so. */
  missing?(): string | undefined
  /** Makes the contestants ready; what they hold open is handed to `atEnd`. */
  contestants(atEnd: (close: () => unknown) => void, minimal: boolean): Promise<readonly Contestant[]>
}
