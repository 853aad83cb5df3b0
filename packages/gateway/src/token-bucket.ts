/** How often something may happen: at once, and every second. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** Limits how often something happens. */
export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #filledAt: number

  /** @param now ms of a clock that does not jump */
  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAt = now
  }

  /** Whether it may happen now. */
  has(now: number): boolean {
    const { burst, perSecond } = this.#rate
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) * perSecond) / 1000)
    this.#filledAt = now
    return this.#tokens >= 1
  }

  /** Whether it may happen now; then it counts. */
  take(now: number): boolean {
    const may = this.has(now)
    if (may) this.#tokens--
    return may
  }
}
