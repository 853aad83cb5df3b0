import { type Clock, onAbort, throwIfAborted } from '@usmp/core'
import { checkOptions, clock, integer, type TableOf } from '@usmp/core/options'

/** Options of {@link ByteRate}. */
export interface ByteRateOptions {
  readonly clock: Clock
  /** 440 to 1000000000. */
  readonly bytesPerSecond: number
}

/** Of {@link ByteRate}. */
export const byteRateTable: TableOf<ByteRateOptions> = {
  clock: { ...clock, required: true },
  bytesPerSecond: { ...integer(440, 1e9), required: true },
}

/** What may leave at once after a pause, ms of the rate. */
const BURST = 100

/** How many bytes leave in a second, together for all that share it. Those that wait go on in the order in which they came. */
export class ByteRate {
  readonly #clock: Clock
  readonly #msPerByte: number
  /** Until when the rate is used up. */
  #usedUntil = Number.NEGATIVE_INFINITY

  /** @throws UsmpError INVALID_ARGUMENT */
  constructor(options: ByteRateOptions) {
    checkOptions('ByteRate', options, byteRateTable)
    this.#clock = options.clock
    this.#msPerByte = 1000 / options.bytesPerSecond
  }

  /**
   * Waits until so many bytes may leave. What was taken stays taken if the signal aborts.
   * @returns ms that it has waited
   * @throws UsmpError ABORTED
   */
  async take(bytes: number, signal?: AbortSignal): Promise<number> {
    throwIfAborted(signal)
    const now = this.#clock.now()
    const from = Math.max(now - BURST, this.#usedUntil)
    this.#usedUntil = from + bytes * this.#msPerByte
    const wait = from - now
    if (wait <= 0) return 0
    await this.#sleep(wait, signal)
    throwIfAborted(signal)
    return wait
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#clock.clearTimer(timer)
        forget()
        resolve()
      }
      const timer = this.#clock.setTimer(done, ms)
      const forget = onAbort(signal, done)
    })
  }
}
