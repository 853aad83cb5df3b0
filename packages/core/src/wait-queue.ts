import { abortError, onAbort, throwIfAborted } from './abort.js'
import { UsmpError } from './errors.js'

/** A caller that waits. The code that takes it out of its queue settles it, once. */
export interface Waiter<T, D> {
  /** What the caller waits with. */
  readonly data: D
  resolve(value: T): void
  reject(reason: unknown): void
  /** While the caller is in its queue and can be called off. */
  forgetSignal?(): void
}

/**
 * Callers that wait for the same thing, in the order in which they came.
 *
 * The side that waits calls `wait`, whose promise settles once. The side that has what they wait for takes the first caller
 * out with `shift`, or a chosen one with `remove`, and settles it; or it settles all of them. The queue owns the list and the
 * callbacks on abort signals. A caller whose signal aborts leaves the queue at once; a caller that was taken out can no
 * longer be called off.
 *
 * @typeParam T what the callers get
 * @typeParam D what each caller waits with
 */
export class WaitQueue<T = void, D = void> {
  readonly #limit: number
  readonly #what: string
  #waiters: Waiter<T, D>[] = []

  /**
   * @param limit most callers that may wait at once; default no limit
   * @param what what they do, behind their number in the message of QUEUE_FULL: "requests wait for a session"
   */
  constructor(limit: number = Number.POSITIVE_INFINITY, what = '') {
    this.#limit = limit
    this.#what = what
  }

  /** Callers that wait now. */
  get size(): number {
    return this.#waiters.length
  }

  /** The callers in their order. To be used before the queue changes. */
  get waiters(): readonly Waiter<T, D>[] {
    return this.#waiters
  }

  /**
   * Joins the end of the queue; resolves or rejects as the other side says.
   * @param onAborted called when the signal aborts, after the caller has left the queue and before its promise rejects
   * @throws UsmpError ABORTED, with the reason of the signal as its cause; QUEUE_FULL at the limit
   */
  wait(signal: AbortSignal | undefined, data: D, onAborted?: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      if (this.size >= this.#limit) throw new UsmpError('QUEUE_FULL', `${this.#limit} ${this.#what}`)
      const waiter: Waiter<T, D> = { data, resolve, reject }
      // An array that grows from nothing reserves room for 17: too much for the many queues in which one caller waits.
      if (this.size === 0) this.#waiters = [waiter]
      else this.#waiters.push(waiter)
      if (!signal) return
      waiter.forgetSignal = onAbort(signal, () => {
        this.remove(waiter)
        onAborted?.()
        reject(abortError(signal))
      })
    })
  }

  /** Takes the caller out that has waited longest; undefined if there is none. */
  shift(): Waiter<T, D> | undefined {
    const waiter = this.#waiters.shift()
    waiter?.forgetSignal?.()
    return waiter
  }

  /** Takes one caller out. */
  remove(waiter: Waiter<T, D>): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter)
    waiter.forgetSignal?.()
  }

  /** Empties the queue and gives every caller the same value. */
  resolveAll(value: T): void {
    for (const waiter of this.#takeAll()) waiter.resolve(value)
  }

  /** Empties the queue and rejects every caller with the same reason. */
  rejectAll(reason: unknown): void {
    for (const waiter of this.#takeAll()) waiter.reject(reason)
  }

  #takeAll(): readonly Waiter<T, D>[] {
    const all = this.#waiters
    this.#waiters = []
    for (const waiter of all) waiter.forgetSignal?.()
    return all
  }
}
