import type { Clock } from '@usmp/core'

/**
 * Timers that fire when a test says so; it owns the time and all timers of those that it is given to. Real time never moves it.
 * A subclass says what `defer` and `yieldToEventLoop` do.
 */
export abstract class SimulatedTime implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  #now = 1_000

  abstract defer(callback: () => void): void
  abstract yieldToEventLoop(callback: () => void): void

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delay: number): unknown {
    const timer = { at: this.#now + delay, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as never)
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size
  }

  /** ms from now until each waiting timer, ascending. */
  get delays(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).sort((a, b) => a - b)
  }

  /** Goes to the next timer, but no further than `until`, and fires it; false if none was due by then. */
  step(until: number): boolean {
    const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
    this.#now = Math.max(this.#now, next?.at ?? until)
    if (!next) return false
    this.#timers.delete(next)
    next.callback()
    return true
  }
}

/** Time that passes when a test says so. I/O goes on in real time. */
export class SimulatedClock extends SimulatedTime {
  defer(callback: () => void): void {
    process.nextTick(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    setImmediate(callback)
  }

  /** Lets `ms` pass and fires what becomes due, in order. */
  advance(ms: number): void {
    const end = this.now() + ms
    while (this.step(end));
  }
}
