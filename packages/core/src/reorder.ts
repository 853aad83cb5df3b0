import { REPLAY_WINDOW } from './constants.js'

/**
 * How long something waits for what was sent before it, ms of reading. Senders repeat for 30 s and one more timeout, or for
 * as long as they see that this end lives (specification, section 7.5): what does not come in this time is not sent any more.
 */
const MAX_WAIT = 45_000

/**
 * Puts what datagrams brought back into the order of sending (specification, section 7.7). Something waits while a number
 * before it is missing; no longer than 45 s in which messages are taken, and never for a number that the replay window has left behind, as that can
 * not come any more. So at most 63 frames wait.
 */
export class Reorder<T> {
  /** The number that everything waits for. */
  #next = 0
  #highest = -1
  readonly #waiting = new Map<number, T>()
  #waitingSince = Number.POSITIVE_INFINITY
  /** Since when this end takes no messages; undefined while it does. */
  #pausedAt: number | undefined

  /** While this end takes no messages itself, it does not give them up. */
  setReading(reading: boolean, now: number): void {
    if (!reading) this.#pausedAt ??= now
    else if (this.#pausedAt !== undefined) {
      this.#waitingSince += now - Math.max(this.#pausedAt, Math.min(this.#waitingSince, now))
      this.#pausedAt = undefined
    }
  }

  /**
   * Takes what came with a number that is new; returns what has its turn now, in order. What comes after it was given up
   * is dropped: its sender has given it up too.
   */
  push(seq: number, item: T, now: number): T[] {
    if (seq < this.#next) return []
    this.#waiting.set(seq, item)
    this.#highest = Math.max(this.#highest, seq)
    const ready = this.#take(Math.max(this.#next, this.#highest - REPLAY_WINDOW + 1))
    if (this.#waiting.size === 0) this.#waitingSince = Number.POSITIVE_INFINITY
    else if (ready.length > 0 || this.#waitingSince === Number.POSITIVE_INFINITY) this.#waitingSince = now
    return ready
  }

  /** When {@link expire} has something to do; infinite if never. */
  get deadline(): number {
    return this.#pausedAt === undefined ? this.#waitingSince + MAX_WAIT : Number.POSITIVE_INFINITY
  }

  /** Gives up the missing numbers in front of what has waited too long. */
  expire(now: number): T[] {
    if (now < this.deadline) return []
    const ready = this.#take(Math.min(...this.#waiting.keys()))
    this.#waitingSince = this.#waiting.size > 0 ? now : Number.POSITIVE_INFINITY
    return ready
  }

  /** Gives up whatever is missing, and begins again with number `next`. */
  flush(next: number): T[] {
    const ready = this.#take(this.#highest + 1)
    this.#next = next
    this.#highest = next - 1
    this.#waitingSince = Number.POSITIVE_INFINITY
    return ready
  }

  /** Everything below `until`, whatever is missing, and what follows it without a gap. */
  #take(until: number): T[] {
    const ready: T[] = []
    const take = (seq: number) => {
      ready.push(this.#waiting.get(seq) as T)
      this.#waiting.delete(seq)
    }
    if (until > this.#next) {
      const early = [...this.#waiting.keys()].filter((seq) => seq < until)
      for (const seq of early.sort((a, b) => a - b)) take(seq)
      this.#next = until
    }
    for (; this.#waiting.has(this.#next); this.#next++) take(this.#next)
    return ready
  }
}
