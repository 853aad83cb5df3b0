/** Where the driver gets the time and its timers from. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls back once after `delay` ms. */
  setTimer(callback: () => void, delay: number): unknown
  clearTimer(timer: unknown): void
  /** Calls back soon, after the code that runs now and what it waits for, so that its frames leave together. */
  defer(callback: () => void): void
  /** Calls back in a later turn of the event loop, when others have had theirs. */
  turn(callback: () => void): void
}

/** The clock of the platform's globals, for browsers and everything else without one of its own. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as Parameters<typeof clearTimeout>[0]),
  defer: (callback) => queueMicrotask(callback),
  // Not a timer: pages in the background get one of these a second.
  turn: (callback) => {
    const { port1, port2 } = new MessageChannel()
    const onmessage = () => {
      port1.close()
      callback()
    }
    // Its setter is there on every platform, though not in the types of each.
    Object.assign(port1, { onmessage })
    port2.postMessage(undefined)
  },
}
