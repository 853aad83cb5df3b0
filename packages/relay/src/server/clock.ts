/** Where the relay's time comes from; a `Clock` of the core is one. */
export interface RelayClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls back once after `delay` ms. */
  setTimer(callback: () => void, delay: number): unknown
  clearTimer(timer: unknown): void
}

export const systemClock: RelayClock = {
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
}
