import { WaitQueue } from '@usmp/core'
import type { ServedStream } from './contract.js'

/** Most items that a consumer can allow in advance. */
const MAX_CREDIT = 65535

/**
 * A stream that this end serves: draws items from the source and sends them as the consumer allows.
 *
 * {@link IncomingRequests} makes it for each stream that is opened, and calls `run` once. Messages of the consumer call
 * `grant` for more credit and `stop`, at any time. `run` ends with the source or after `stop`.
 *
 * The producer owns the credit, the items that wait for it, and the signal that calls the source off. It must never send
 * without credit from a consumer that counts, nor keep more items than the overflow policy of the stream allows.
 */
export class StreamProducer {
  readonly #served: ServedStream<never, unknown>
  readonly #send: (item: unknown) => Promise<void>
  readonly #abort = new AbortController()
  /** Items that the consumer has room for. Without any word of it, streams that may drop items flow freely. */
  #credit: number
  /** The loop that sends, while it may not or has nothing. */
  readonly #changed = new WaitQueue()

  /**
   * @param credit how many items the consumer has room for, undefined if it does not count
   * @param send hands one item to the session, waiting under back pressure
   */
  constructor(
    served: ServedStream<never, unknown>,
    credit: number | undefined,
    send: (item: unknown) => Promise<void>,
  ) {
    this.#served = served
    this.#send = send
    this.#credit = credit ?? (served.overflow === 'block' ? 0 : Number.POSITIVE_INFINITY)
  }

  /** The consumer has room for `count` more. */
  grant(count: number): void {
    this.#credit = Number.isFinite(this.#credit) ? Math.min(this.#credit + count, MAX_CREDIT) : count
    this.#changed.resolveAll()
  }

  /** Ends the stream; `run` returns when the source has ended too. */
  stop(reason: unknown): void {
    this.#abort.abort(reason)
    this.#changed.resolveAll()
  }

  /** Aborts when the stream is stopped. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get stopped(): boolean {
    return this.signal.aborted
  }

  /**
   * Resolves when the source has ended and everything is sent, or after a stop.
   * @throws whatever the source or `send` throws
   */
  async run(params: never): Promise<void> {
    const { signal } = this.#abort
    const source = this.#served.items(params, { signal })[Symbol.asyncIterator]()
    // A generator that waits takes notice when it goes on; the signal is what calls it off earlier.
    const leave = () => void stop(source)
    if (signal.aborted) return leave()
    signal.addEventListener('abort', leave, { once: true })
    try {
      if (this.#served.overflow === 'block') await this.#runBlocking(source)
      else await this.#runDropping(source, 'buffer' in this.#served ? this.#served.buffer : 1)
    } catch (error) {
      leave()
      throw error
    }
  }

  async #runBlocking(source: AsyncIterator<unknown>): Promise<void> {
    for (;;) {
      await this.#until(() => this.#credit > 0)
      if (this.stopped) return
      const { done, value } = await source.next()
      if (done || this.stopped) return
      this.#credit--
      await this.#send(value)
    }
  }

  async #runDropping(source: AsyncIterator<unknown>, room: number): Promise<void> {
    const items: unknown[] = []
    let ended = false
    const readSource = async () => {
      try {
        for (let next = await source.next(); !next.done && !this.stopped; next = await source.next()) {
          items.push(next.value)
          if (items.length > room) items.shift()
          this.#changed.resolveAll()
        }
      } finally {
        ended = true
        this.#changed.resolveAll()
      }
    }
    const sendItems = async () => {
      for (;;) {
        await this.#until(() => (items.length > 0 && this.#credit > 0) || (items.length === 0 && ended))
        if (this.stopped || items.length === 0) return
        this.#credit--
        await this.#send(items.shift())
      }
    }
    const reading = readSource()
    // Told below, after the items that came before the fault.
    reading.catch(() => {})
    await sendItems()
    await reading
  }

  /** Waits until the condition holds, or the stream is stopped. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.stopped) await this.#changed.wait(undefined)
  }
}

/** Whatever an application's source thinks of it, it is over. */
async function stop(source: AsyncIterator<unknown>): Promise<void> {
  try {
    await source.return?.()
  } catch {
    // The stream has ended for another reason, which is told.
  }
}
