/** A value that changes, of which those who follow want the newest only. */
export class Latest<T> {
  #value: T | undefined
  #version = 0
  readonly #followers = new Set<() => void>()

  get value(): T | undefined {
    return this.#value
  }

  set(value: T): void {
    this.#value = value
    this.#version++
    for (const stir of this.#followers) stir()
  }

  /** The value there is, then every newer one that the consumer is in time for. Ends when `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let wake = () => {}
    const stir = () => wake()
    this.#followers.add(stir)
    signal.addEventListener('abort', stir)
    try {
      for (let seen = 0; !signal.aborted; ) {
        if (this.#version > seen) {
          seen = this.#version
          yield this.#value as T
        } else {
          await new Promise<void>((resolve) => (wake = resolve))
        }
      }
    } finally {
      this.#followers.delete(stir)
      signal.removeEventListener('abort', stir)
    }
  }
}
