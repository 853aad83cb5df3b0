/** A value that comes and goes, and that can be waited for. */
export class Gate<T> {
  #value: T | undefined
  #waiting: ((value: T) => void)[] = []

  open(value: T): void {
    this.#value = value
    for (const resolve of this.#waiting.splice(0)) resolve(value)
  }

  /** Takes `value` away if it is still the one. */
  close(value: T): void {
    if (this.#value === value) this.#value = undefined
  }

  /** The value, as soon as there is one. */
  get(): Promise<T> {
    if (this.#value !== undefined) return Promise.resolve(this.#value)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
