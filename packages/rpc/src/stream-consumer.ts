import { WaitQueue } from '@usmp/core'
import type { Id } from './envelope.js'

/** How many items a consumer has room for. */
export const WINDOW = 16

/**
 * A stream that this end consumes: a bounded buffer between the session and `for await`.
 *
 * The {@link Peer} makes it when the answer comes that opens the stream. Messages of the producer call `push` and `end`; the
 * loop of the application calls `next`, and `abort` when its signal aborts. Items that came before the end are delivered
 * first.
 *
 * The consumer owns the items that wait, and the count of taken items that it has not granted again. It grants credit only
 * for items that were taken, so at most 16 wait. If a producer ignores the credit, its oldest items are dropped.
 */
export class StreamConsumer {
  readonly id: Id
  /** Whether only the newest item is worth having. */
  readonly #latestOnly: boolean
  readonly #grant: (count: number) => void
  readonly #items: unknown[] = []
  #taken = 0
  #end: { readonly error: unknown } | undefined
  /** The loop that takes the items, while there is none. */
  readonly #changed = new WaitQueue()

  /** @param grant tells the peer that there is room for more */
  constructor(id: Id, latestOnly: boolean, grant: (count: number) => void) {
    this.id = id
    this.#latestOnly = latestOnly
    this.#grant = grant
  }

  /** Whether the peer sends no more, because it said so or the session is over. */
  ended = false

  push(item: unknown): void {
    if (this.#end) return
    this.#items.push(item)
    // A peer that keeps to the credit never gets this far, unless old items are worth nothing.
    if (this.#items.length > (this.#latestOnly ? 1 : WINDOW)) this.#take()
    this.#changed.resolveAll()
  }

  /** No more items: a good end, or a bad one if there is an `error`. It is told after the last item. */
  end(error?: unknown): void {
    this.ended = true
    this.#end ??= { error }
    this.#changed.resolveAll()
  }

  /** No more items, and those that wait are not wanted either. */
  abort(error: unknown): void {
    this.#items.length = 0
    this.#end = { error }
    this.#changed.resolveAll()
  }

  /** The next item; undefined after a good end. */
  async next(): Promise<{ readonly item: unknown } | undefined> {
    while (this.#items.length === 0 && !this.#end) await this.#changed.wait(undefined)
    if (this.#items.length > 0) return { item: this.#take() }
    if (this.#end!.error !== undefined) throw this.#end!.error
    return undefined
  }

  #take(): unknown {
    this.#taken++
    if (this.#taken >= WINDOW / 2 && !this.#end) {
      this.#grant(this.#taken)
      this.#taken = 0
    }
    return this.#items.shift()
  }
}
