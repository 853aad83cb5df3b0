import type { Change } from './registry.js'

/** Changes that may wait for one reader before older changes of the same record give way to newer ones. */
const MAX_WAITING = 1000

/** Hands changes to those who watch. Memory is bounded for a reader that never reads: 1,000 changes or twice the records. */
export class Watchers<T> {
  readonly #watchers = new Set<Watcher<T>>()

  publish(change: Change<T>): void {
    for (const watcher of this.#watchers) watcher.push(change)
  }

  watch(signal: AbortSignal): AsyncIterable<Change<T>> {
    const watcher = new Watcher<T>(() => this.#watchers.delete(watcher))
    if (signal.aborted) watcher.end()
    else {
      this.#watchers.add(watcher)
      signal.addEventListener('abort', watcher.end, { once: true })
    }
    return watcher
  }

  /** Ends all, for the store is closed. */
  end(): void {
    for (const watcher of this.#watchers) watcher.end()
  }
}

class Watcher<T> implements AsyncIterable<Change<T>> {
  #waiting: Change<T>[] = []
  #limit = MAX_WAITING
  #wake: () => void = () => {}
  #ended = false
  readonly #remove: () => void

  constructor(remove: () => void) {
    this.#remove = remove
  }

  push(change: Change<T>): void {
    this.#waiting.push(change)
    if (this.#waiting.length > this.#limit) {
      const newest = new Map(this.#waiting.map((waiting) => [waiting.id, waiting]))
      this.#waiting = this.#waiting.filter((waiting) => newest.get(waiting.id) === waiting)
      this.#limit = Math.max(MAX_WAITING, 2 * this.#waiting.length)
    }
    this.#wake()
  }

  readonly end = (): void => {
    this.#ended = true
    this.#waiting = []
    this.#remove()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Change<T>, void> {
    try {
      while (!this.#ended) {
        const [...changes] = this.#waiting.splice(0)
        for (const change of changes) {
          if (this.#ended) return
          yield change
        }
        if (this.#waiting.length > 0 || this.#ended) continue
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.end()
    }
  }
}
