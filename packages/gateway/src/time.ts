import type { Clock } from '@usmp/core'

/** The clock of the machine was set when it moves by more than this against the one that never jumps, ms. */
const MIN_JUMP = 5_000
/** Jumps that are remembered; the newest. */
const MAX_JUMPS = 20

/** Takes a timer back; calling it again is harmless. */
export type Cancel = () => void

/** The clock of the machine was set while the gateway ran. */
export interface ClockJump {
  readonly at: number
  /** ms; negative: back. */
  readonly by: number
}

/**
 * The time of the gateway. Spans and deadlines are measured by a clock that never jumps; dates, which people read and the store keeps,
 * come from the clock of the machine. No session may end and no join window stay open by a date.
 */
export class GatewayTime {
  readonly clock: Clock
  readonly #wall: () => number
  readonly #jumps: ClockJump[] = []
  #offset: number

  /** @param wall ms since 1970, by the clock of the machine */
  constructor(clock: Clock, wall: () => number) {
    this.clock = clock
    this.#wall = wall
    this.#offset = wall() - clock.now()
  }

  /** ms of the clock that never jumps. */
  monotonic(): number {
    return this.clock.now()
  }

  /** The date, ms since 1970. */
  now(): number {
    return Math.max(0, Math.round(this.#wall()))
  }

  /** The date of a moment of the other clock. */
  dateOf(monotonic: number): number {
    return Math.max(0, Math.round(this.#wall() + monotonic - this.clock.now()))
  }

  /** Calls back once. */
  after(delay: number, callback: () => void): Cancel {
    const timer = this.clock.setTimer(callback, delay)
    return () => this.clock.clearTimer(timer)
  }

  /** Calls back again and again. */
  every(period: number, callback: () => unknown): Cancel {
    let cancel: Cancel
    const next = () => {
      cancel = this.after(period, next)
      callback()
    }
    cancel = this.after(period, next)
    return () => cancel()
  }

  /** The jumps that were found, oldest first. */
  get jumps(): readonly ClockJump[] {
    return this.#jumps
  }

  /** Compares the two clocks, which has to be done now and then. @returns whether the one of the machine was set */
  findJump(): boolean {
    const offset = this.#wall() - this.clock.now()
    const by = Math.round(offset - this.#offset)
    // A clock that is led to the right time slowly does not jump.
    this.#offset = offset
    if (Math.abs(by) <= MIN_JUMP) return false
    this.#jumps.push({ at: this.now(), by })
    if (this.#jumps.length > MAX_JUMPS) this.#jumps.shift()
    return true
  }
}
