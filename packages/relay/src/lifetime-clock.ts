import type { Clock } from '@usmp/core'

/** When the wall clock gains so much on the monotonic one between two looks, ms, the machine has slept, or the wall clock was set. */
const JUMP = 50
/** How far two clocks may drift apart, ms a ms: more than two crystals do. */
const DRIFT = 200e-6

/**
 * The time by which messages get out of date. It never goes back, and counts the time in which the machine slept, which a monotonic clock
 * leaves out on most systems. A wall clock that is set forward makes it jump as well: messages expire early then, and never late.
 */
export class LifetimeClock {
  readonly #clock: Clock
  readonly #wall: () => number
  #skew: number
  #jumps = 0

  /**
   * @param clock monotonic
   * @param wall ms of a clock that runs while the machine sleeps; it may be set
   */
  constructor(clock: Clock, wall: () => number) {
    this.#clock = clock
    this.#wall = wall
    this.#skew = wall() - clock.now()
  }

  now(): number {
    const monotonic = this.#clock.now()
    const skew = this.#wall() - monotonic
    if (skew - this.#skew > JUMP) this.#jumps += skew - this.#skew
    this.#skew = skew
    return monotonic + this.#jumps
  }

  /** How far it has jumped so far, ms. */
  get jumps(): number {
    return this.#jumps
  }
}

/**
 * What the clock of the peer shows, estimated so that the error has a known sign: what it gives is never later than the truth. It is early
 * by the time that the fastest cell of the peer took, and heals whenever a faster one comes. So a relay that holds cells back can make
 * messages expire early, and can make nothing late pass for timely.
 */
export class PeerTime {
  readonly #clock: LifetimeClock
  /** The own clock minus the peer's, at least. */
  #offset = Number.POSITIVE_INFINITY
  #measured = 0
  #jumps = 0

  constructor(clock: LifetimeClock) {
    this.#clock = clock
  }

  /** @param stamp what the peer's clock showed when the cell left that has just come */
  measure(stamp: number): void {
    const now = this.#clock.now()
    this.#offset = Math.min(this.#widened(now), now - stamp)
    this.#measured = now
    this.#jumps = this.#clock.jumps
  }

  /** A moment of the own clock on the peer's: never later than it really is there. */
  at(moment: number): number {
    return moment - this.#widened(this.#clock.now())
  }

  /** The offset as it may be now: this clock may run faster than the peer's, and a jump may have been no sleep. */
  #widened(now: number): number {
    return this.#offset + (now - this.#measured) * DRIFT + (this.#clock.jumps - this.#jumps)
  }
}
