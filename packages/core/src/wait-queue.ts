import { abortError, onAbort, throwIfAborted } from './abort.js'
import { UsmpError } from './errors.js'

/** A caller that waits. The code that takes it out of its queue settles it, once. */
export interface Waiter<T, D> {
  /** What the caller waits with. */
  readonly data: D
  resolve(value: T): void
  reject(reason: unknown): void
}

/**
 * Callers that wait for the same thing, in the order in which they came.
 *
 * The side that waits calls `wait`, whose promise settles once. The side that has what they wait for takes the first caller
 * with `shift`, or a chosen one with `remove`, and settles it; or it settles all of them. The queue owns the list and the
 * callbacks on abort signals. A caller whose signal aborts leaves the queue at once and is never handed out.
 *
 * @typeParam T what the callers get
 * @typeParam D what each caller waits with
 */
export class WaitQueue<T = void, D = void> implements Iterable<Waiter<T, D>> {
  readonly #limit: number
  readonly #what: string
  #waiters: Waiter<T, D>[] = []

  /**
   * @param limit most callers that may wait at once; default no limit
   * @param what what they do, behind their number in the message of QUEUE_FULL: "requests wait for a session"
   */
  constructor(limit: number = Number.POSITIVE_INFINITY, what = 'calls wait') {
    this.#limit = limit
    this.#what = what
  }

  /** Callers that wait now. */
  get size(): number {
    return this.#waiters.length
  }

  /** The callers in their order. Not to be used while the queue changes. */
  [Symbol.iterator](): Iterator<Waiter<T, D>> {
    return this.#waiters[Symbol.iterator]()
  }

  /**
   * Joins the end of the queue; resolves or rejects as the other side says.
   * @param onAborted called when the signal aborts, after the caller has left the queue and before its promise rejects
   * @throws UsmpError ABORTED, with the reason of the signal as its cause; QUEUE_FULL at the limit
   */
  wait(signal: AbortSignal | undefined, data: D, onAborted?: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      if (this.#waiters.length >= this.#limit) throw new UsmpError('QUEUE_FULL', `${this.#limit} ${this.#what}`)
      if (!signal) return this.#add({ data, resolve, reject })
      const waiter: Waiter<T, D> = {
        data,
        resolve: (value) => {
          forgetSignal()
          resolve(value)
        },
        reject: (reason) => {
          forgetSignal()
          reject(reason)
        },
      }
      this.#add(waiter)
      const forgetSignal = onAbort(signal, () => {
        this.remove(waiter)
        onAborted?.()
        reject(abortError(signal))
      })
    })
  }

  /** Takes the caller out that has waited longest; undefined if there is none. */
  shift(): Waiter<T, D> | undefined {
    return this.#waiters.shift()
  }

  /** Takes one caller out; does nothing if it has left already. */
  remove(waiter: Waiter<T, D>): void {
    const index = this.#waiters.indexOf(waiter)
    if (index >= 0) this.#waiters.splice(index, 1)
  }

  /** Empties the queue and gives every caller the same value. */
  resolveAll(value: T): void {
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(value)
  }

  /** Empties the queue and rejects every caller with the same reason. */
  rejectAll(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason)
  }

  #add(waiter: Waiter<T, D>): void {
    // An array that grows from nothing reserves room for 17: too much for the many queues in which one caller waits.
    if (this.#waiters.length === 0) this.#waiters = [waiter]
    else this.#waiters.push(waiter)
  }
}
