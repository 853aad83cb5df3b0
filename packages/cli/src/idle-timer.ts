/** Calls back once nothing has happened for a while. The timer runs from the first {@link touch}. */
export class IdleTimer {
  readonly #delay: number | undefined
  readonly #onIdle: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param delay ms; undefined for no limit */
  constructor(delay: number | undefined, onIdle: () => void) {
    this.#delay = delay
    this.#onIdle = onIdle
  }

  /** Starts the timer, or restarts it. */
  touch(): void {
    this.stop()
    if (this.#delay !== undefined) this.#timer = setTimeout(this.#onIdle, this.#delay)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
