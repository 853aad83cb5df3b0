/** What the main thread gives to the worker. */
export interface Task {
  readonly target: string
  /** Of an input, bytes. */
  readonly maxLength: number
  /** How many points the instrumented code counts at. */
  readonly points: number
  /** Of the run under way: how many there were, the length of the input, and the input. Shared with the main thread. */
  readonly current: Uint8Array
  readonly start: readonly Uint8Array[]
  readonly seed: number
  readonly executions: number
  readonly ms: number
  /** Whether the corpus is made small at the end. */
  readonly minimise: boolean
}

/** Bytes of {@link Task.current} in front of the input: two numbers of 32 bits. */
export const CURRENT_HEAD = 8

/** The global name of what the instrumented code counts in, a byte for each point. */
export const HITS = '__usmpHits'
