/** A value that is set and cleared, and that callers wait for. */
export class Latch<T> {
  #value: T | undefined
  #waiting: ((value: T) => void)[] = []

  set(value: T): void {
    this.#value = value
    for (const resolve of this.#waiting.splice(0)) resolve(value)
  }

  /** Clears the value if it is still `value`. */
  clear(value: T): void {
    if (this.#value === value) this.#value = undefined
  }

  /** The value, as soon as there is one. */
  get(): Promise<T> {
    if (this.#value !== undefined) return Promise.resolve(this.#value)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
