import { afterReading, type Clock } from './clock.js'

/** Whose deadline a timer keeps. */
export interface DeadlineOwner {
  /** From when on something ends because nothing has come, ms of the clock; infinite for never. */
  readonly endsAt: number
  /** The deadline is there. */
  onDeadline(): void
}

/**
 * Keeps one timer for a deadline that moves with every frame. It may fire early, never late: a deadline that has moved away
 * is looked at again when the timer fires.
 */
export class DeadlineTimer {
  readonly #clock: Clock
  readonly #owner: DeadlineOwner
  #stop: (() => void) | undefined
  /** When it fires; infinite while there is none. */
  #at = Number.POSITIVE_INFINITY

  constructor(clock: Clock, owner: DeadlineOwner) {
    this.#clock = clock
    this.#owner = owner
  }

  /** Fires at `deadline`, ms of the clock, or earlier; infinite for not at all. */
  arm(deadline: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return this.disarm()
    if (deadline >= this.#at) return
    this.disarm()
    this.#at = deadline
    const delay = Math.max(0, Math.ceil(deadline - this.#clock.now()))
    const timer = this.#clock.setTimer(() => this.#onTimer(deadline), delay)
    this.#stop = () => this.#clock.clearTimer(timer)
  }

  disarm(): void {
    if (this.#at !== Number.POSITIVE_INFINITY) this.#stop?.()
    this.#at = Number.POSITIVE_INFINITY
    this.#stop = undefined
  }

  /** Reads first, then judges: after a stall what the peer has sent waits behind the timer. */
  #onTimer(deadline: number): void {
    if (this.#clock.now() < this.#owner.endsAt) return this.#fire()
    this.#stop = afterReading(this.#clock, deadline, () => this.#fire())
    // Nothing else is to set a timer meanwhile.
    this.#at = Number.NEGATIVE_INFINITY
  }

  #fire(): void {
    this.#at = Number.POSITIVE_INFINITY
    this.#owner.onDeadline()
  }
}
