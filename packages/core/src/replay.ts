import { REPLAY_WINDOW } from './constants.js'

/** What a sequence number is to a window: acceptable, seen before, or too old to tell. */
export type ReplayVerdict = 'new' | 'duplicate' | 'stale'

const WORD = 32

/**
 * The sliding window of datagram transports, 64 sequence numbers wide (specification, section 4.5).
 *
 * ```
 *   stale │ next-64 … next-2 next-1 │ next …
 *         │ bit 63  …  bit 1  bit 0 │ new, moves the window when committed
 * ```
 *
 * `check` decides, `commit` marks; between them lies the authentication of the frame.
 */
export class ReplayWindow {
  /** One more than the highest number accepted; 0 before the first. */
  #next = 0
  /** Bits 0–31 and 32–63: whether next-1-bit was accepted. Two words, as a JavaScript shift is modulo 32. */
  #low = 0
  #high = 0

  check(seq: number): ReplayVerdict {
    const age = this.#next - 1 - seq
    if (age < 0) return 'new'
    if (age >= REPLAY_WINDOW) return 'stale'
    const bit = age < WORD ? (this.#low >>> age) & 1 : (this.#high >>> (age - WORD)) & 1
    return bit ? 'duplicate' : 'new'
  }

  /** Marks an authenticated number that `check` called new. */
  commit(seq: number): void {
    if (seq >= this.#next) {
      this.#shift(seq + 1 - this.#next)
      this.#next = seq + 1
    }
    const age = this.#next - 1 - seq
    if (age < WORD) this.#low |= 1 << age
    else this.#high |= 1 << (age - WORD)
  }

  #shift(count: number): void {
    if (count >= REPLAY_WINDOW) {
      this.#low = 0
      this.#high = 0
    } else if (count >= WORD) {
      this.#high = count === WORD ? this.#low : this.#low << (count - WORD)
      this.#low = 0
    } else if (count > 0) {
      this.#high = (this.#high << count) | (this.#low >>> (WORD - count))
      this.#low <<= count
    }
  }
}
