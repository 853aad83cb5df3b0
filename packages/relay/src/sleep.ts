import { type Clock, onAbort } from '@usmp/core'

/** Waits, or returns early when the signal aborts. */
export function sleep(delay: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = clock.setTimer(done, delay)
    const forgetSignal = onAbort(signal, done)
    function done(): void {
      clock.clearTimer(timer)
      forgetSignal()
      resolve()
    }
  })
}
