import { type TransportSink, UsmpError } from '@usmp/core'

/** Holds what arrives while nobody reads, from a source that cannot be told to wait. */
export class PausableBuffer {
  readonly #limit: number
  readonly #onRead: (bytes: number) => void
  #sink: TransportSink | undefined
  #flowing = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #end: { readonly cause: unknown } | undefined

  /** @param limit bytes to hold at most, after which the transport ends; `onRead` is told of all bytes that were read */
  constructor(limit: number, onRead: (bytes: number) => void = () => {}) {
    this.#limit = limit
    this.#onRead = onRead
  }

  /** Begins to deliver. */
  connect(sink: TransportSink): void {
    this.#sink = sink
    this.resume()
  }

  /** From now on everything is dropped. */
  disconnect(): void {
    this.#sink = undefined
    this.#held = []
    this.#end = { cause: undefined }
  }

  push(bytes: Uint8Array): void {
    if (this.#end) return
    if (this.#flowing) return this.#deliver(bytes)
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#limit) this.#overflow()
  }

  /** Told to the sink after everything that came before. */
  end(cause?: unknown): void {
    if (this.#end) return
    this.#end = { cause }
    if (this.#flowing) this.resume()
  }

  drain(): void {
    this.#sink?.drain()
  }

  pause(): void {
    this.#flowing = false
  }

  resume(): void {
    this.#flowing = true
    while (this.#flowing && this.#held.length > 0) {
      const bytes = this.#held.shift()!
      this.#heldBytes -= bytes.length
      this.#deliver(bytes)
    }
    if (!this.#flowing || !this.#end) return
    const sink = this.#sink
    this.#sink = undefined
    sink?.end(this.#end.cause)
  }

  /** At once: a reader that does not come back would leave the rest lying here. */
  #overflow(): void {
    this.#held = []
    this.end(new UsmpError('QUEUE_FULL', 'the peer sends more than is read'))
    this.resume()
  }

  #deliver(bytes: Uint8Array): void {
    this.#sink?.receive(bytes)
    this.#onRead(bytes.length)
  }
}
