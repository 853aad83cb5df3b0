/** Limits how often something happens: `burst` times at once, and `perSecond` later. */
export class TokenBucket {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #filledAt: number

  /** @param now ms of a clock that does not jump */
  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#filledAt = now
  }

  /** Whether it may happen now; then it counts. */
  take(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#filledAt) * this.#perSecond) / 1000)
    this.#filledAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
