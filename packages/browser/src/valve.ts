import { type TransportSink, UsmpError } from '@usmp/core'

/** Holds what arrives while nobody reads, from a source that cannot be told to wait. */
export class Valve {
  readonly #limit: number
  readonly #onTaken: (bytes: number) => void
  #sink: TransportSink | undefined
  #open = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #end: { readonly cause: unknown } | undefined

  /** @param limit bytes to hold at most, after which the transport ends; `onTaken` hears of all that was read */
  constructor(limit: number, onTaken: (bytes: number) => void = () => {}) {
    this.#limit = limit
    this.#onTaken = onTaken
  }

  /** Begins to deliver. */
  connect(sink: TransportSink): void {
    this.#sink = sink
    this.open()
  }

  /** From now on everything is dropped. */
  disconnect(): void {
    this.#sink = undefined
    this.#held = []
    this.#end = { cause: undefined }
  }

  push(bytes: Uint8Array): void {
    if (this.#end) return
    if (this.#open) return this.#deliver(bytes)
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#limit) this.#overflow()
  }

  /** Told to the sink after everything that came before. */
  end(cause?: unknown): void {
    if (this.#end) return
    this.#end = { cause }
    if (this.#open) this.open()
  }

  drain(): void {
    this.#sink?.drain()
  }

  shut(): void {
    this.#open = false
  }

  open(): void {
    this.#open = true
    while (this.#open && this.#held.length > 0) {
      const bytes = this.#held.shift()!
      this.#heldBytes -= bytes.length
      this.#deliver(bytes)
    }
    if (!this.#open || !this.#end) return
    const sink = this.#sink
    this.#sink = undefined
    sink?.end(this.#end.cause)
  }

  /** At once: a reader that does not come back would leave the rest lying here. */
  #overflow(): void {
    this.#held = []
    this.end(new UsmpError('QUEUE_FULL', 'the peer sends more than is read'))
    this.open()
  }

  #deliver(bytes: Uint8Array): void {
    this.#sink?.receive(bytes)
    this.#onTaken(bytes.length)
  }
}
