import type { Clock } from '@usmp/core'

/** Time that passes when a test says so. I/O goes on in real time. */
export class SimulatedClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  #now = 1_000

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

  defer(callback: () => void): void {
    process.nextTick(callback)
  }

  turn(callback: () => void): void {
    setImmediate(callback)
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size
  }

  /** ms from now until each waiting timer, ascending. */
  get delays(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).sort((a, b) => a - b)
  }

  /** Lets `ms` pass and fires what becomes due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = end
  }
}
