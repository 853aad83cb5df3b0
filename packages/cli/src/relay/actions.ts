import type { Output } from '../output.js'
import type { Stop } from '../stop.js'

/** How a command of commander becomes one of ours: see `build` in program.ts. */
export interface Actions {
  readonly action: <T>(command: (options: T, output: Output) => Promise<number>) => (options: T) => Promise<void>
  readonly longAction: <T>(
    command: (options: T, output: Output, stop: Stop) => Promise<number>,
  ) => (options: T) => Promise<void>
}
