import { WaitQueue } from '@usmp/core'

/** A value that is set and cleared, and that callers wait for. */
export class Latch<T> {
  #value: T | undefined
  readonly #waiting = new WaitQueue<T>()

  set(value: T): void {
    this.#value = value
    this.#waiting.resolveAll(value)
  }

  /** Clears the value if it is still `value`. */
  clear(value: T): void {
    if (this.#value === value) this.#value = undefined
  }

  /** The value, as soon as there is one. */
  get(): Promise<T> {
    if (this.#value !== undefined) return Promise.resolve(this.#value)
    return this.#waiting.wait(undefined)
  }
}
