import { UsmpError } from './errors.js'

/** Reading pauses when so much waits for the consumer, and goes on when half of it is gone. */
const MAX_MESSAGES = 64
const MAX_BYTES = 64 * 1024

/** Who is told the next message. */
export interface Waiter {
  resolve(message: Uint8Array | undefined): void
  reject(reason: UsmpError): void
}

/** Messages between the network and the one consumer. What was received before the end is always delivered first. */
export class ReceiveQueue {
  readonly #messages: Uint8Array[] = []
  #bytes = 0
  #waiter: Waiter | undefined
  #end: { readonly error: UsmpError | undefined } | undefined

  /** Whether the producer should stop. */
  get full(): boolean {
    return this.#messages.length >= MAX_MESSAGES || this.#bytes >= MAX_BYTES
  }

  /** Whether a stopped producer may go on. */
  get hasRoom(): boolean {
    return this.#messages.length <= MAX_MESSAGES / 2 && this.#bytes <= MAX_BYTES / 2
  }

  push(message: Uint8Array): void {
    if (this.#waiter) return this.#answer((waiter) => waiter.resolve(message))
    this.#messages.push(message)
    this.#bytes += message.length
  }

  /** No more messages: a good end (`error` absent) or a bad one, told after the last message. */
  end(error?: UsmpError): void {
    this.#end = { error }
    this.#answer((waiter) => (error ? waiter.reject(error) : waiter.resolve(undefined)))
  }

  /** A message that is here already. */
  take(): Uint8Array | undefined {
    const message = this.#messages.shift()
    if (message) this.#bytes -= message.length
    return message
  }

  /**
   * Tells the waiter the next message, or undefined after a good end; or the reason of a bad end, or INVALID_ARGUMENT if
   * somebody waits already. The returned function takes the wait back, and does nothing once it is over.
   */
  wait(waiter: Waiter): () => void {
    if (this.#end?.error) waiter.reject(this.#end.error)
    else if (this.#end) waiter.resolve(undefined)
    else if (this.#waiter) {
      waiter.reject(new UsmpError('INVALID_ARGUMENT', 'a session has one consumer, and it is waiting already'))
    } else this.#waiter = waiter
    return () => {
      if (this.#waiter === waiter) this.#waiter = undefined
    }
  }

  #answer(give: (waiter: Waiter) => void): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter) give(waiter)
  }
}
