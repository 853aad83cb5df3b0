/** Calls back when nothing happened for a while. Never without {@link touch}. */
export class Patience {
  readonly #delay: number | undefined
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param delay ms; undefined for endless patience */
  constructor(delay: number | undefined, onEnd: () => void) {
    this.#delay = delay
    this.#onEnd = onEnd
  }

  /** Begins to wait, or begins anew. */
  touch(): void {
    this.stop()
    if (this.#delay !== undefined) this.#timer = setTimeout(this.#onEnd, this.#delay)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
