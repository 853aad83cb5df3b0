import { afterReading, type Clock } from '@usmp/core'

/**
 * Calls back after `delay` ms (never, if that is 0 or infinite), when what has arrived by then is read: after a stall the answer may be here, unread.
 * @returns takes the call back; harmless after it
 */
export function setReadTimeout(clock: Clock, delay: number, callback: () => void): () => void {
  if (delay === 0 || delay === Number.POSITIVE_INFINITY) return () => {}
  const due = clock.now() + delay
  let forgetReading: (() => void) | undefined
  const timer = clock.setTimer(() => {
    forgetReading = afterReading(clock, due, callback)
  }, delay)
  return () => {
    clock.clearTimer(timer)
    forgetReading?.()
  }
}
