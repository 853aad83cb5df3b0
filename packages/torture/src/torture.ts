/** One kind of torture: what it runs, and what it found, in Markdown. */
export interface Torture {
  readonly name: string
  /** One line for the usage. */
  readonly what: string
  run(options: TortureOptions): Promise<string>
}

export interface TortureOptions {
  /** The form that fits into a run of all tests. */
  readonly short: boolean
  /** The first seed of everything random. */
  readonly seed: number
  /** How long what has no end of its own goes on. */
  readonly minutes: number
  /** Tells how far it is; for people who wait. */
  progress(text: string): void
}
