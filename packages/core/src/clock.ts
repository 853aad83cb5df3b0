/** Where the driver gets the time and its timers from. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls back once after `delay` ms. */
  setTimer(callback: () => void, delay: number): unknown
  clearTimer(timer: unknown): void
  /** Calls back soon, after the code that runs now and what it waits for, so that its frames leave together. */
  defer(callback: () => void): void
}

/** The clock of the platform's globals, for browsers and everything else without one of its own. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as Parameters<typeof clearTimeout>[0]),
  defer: (callback) => queueMicrotask(callback),
}
