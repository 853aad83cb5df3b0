/** Where a session gets the time and its timers from. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls back once after `delay` ms. */
  setTimer(callback: () => void, delay: number): unknown
  clearTimer(timer: unknown): void
  /** Calls back soon, after the code that runs now and what it waits for, so that its frames leave together. */
  defer(callback: () => void): void
  /** Calls back in a later turn of the event loop, when others have had theirs: what waited to be read has been read. */
  yieldToEventLoop(callback: () => void): void
}

/** A timer that is so late, ms, tells that the process or page was held up. */
const LATE = 50
/** What waits to be read then has so much time to come through the platform, ms. */
const GRACE = 100

/**
 * Calls back when the transports have delivered what waits. For a timer that has fired and would judge that something has
 * not come: after a stall of the process, or in a page that was frozen, it is there and has not been read (specification,
 * section 4.9).
 * @param due when the timer had to fire, ms of the clock
 * @returns takes the call back
 */
export function afterReading(clock: Clock, due: number, callback: () => void): () => void {
  let cancelled = false
  const read = () =>
    clock.yieldToEventLoop(() => {
      if (!cancelled) callback()
    })
  const late = clock.now() - due >= LATE
  const timer = late ? clock.setTimer(read, GRACE) : undefined
  if (!late) read()
  return () => {
    cancelled = true
    if (late) clock.clearTimer(timer)
  }
}

/** The clock of the global functions, for browsers and every platform without a better one. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as Parameters<typeof clearTimeout>[0]),
  defer: (callback) => queueMicrotask(callback),
  // Not a timer: pages in the background get one of these a second.
  yieldToEventLoop: (callback) => {
    const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => void }
    // Behind all input, where there is such a place in the event loop.
    if (setImmediate) return setImmediate(callback)
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
