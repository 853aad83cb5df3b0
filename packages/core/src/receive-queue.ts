import { UsmpError } from './errors.js'
import { WaitQueue } from './wait-queue.js'

/** Reading pauses when this many messages or bytes wait for the consumer, and goes on when half of them are gone. */
const MAX_MESSAGES = 64
const MAX_BYTES = 64 * 1024

/** Messages between the network and the one consumer. What was received before the end is always delivered first. */
export class ReceiveQueue {
  readonly #messages: Uint8Array[] = []
  #bytes = 0
  /** The consumer, while it waits. */
  readonly #consumer = new WaitQueue<Uint8Array | undefined>()
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
    const consumer = this.#consumer.shift()
    if (consumer) return consumer.resolve(message)
    this.#messages.push(message)
    this.#bytes += message.length
  }

  /** No more messages: a good end (`error` absent) or a bad one, told after the last message. */
  end(error?: UsmpError): void {
    this.#end = { error }
    if (error) this.#consumer.rejectAll(error)
    else this.#consumer.resolveAll(undefined)
  }

  /** A message that is here already. */
  take(): Uint8Array | undefined {
    const message = this.#messages.shift()
    if (message) this.#bytes -= message.length
    return message
  }

  /**
   * Waits for the next message, when there is none to take; undefined after a good end.
   * @throws UsmpError the reason of a bad end; ABORTED; INVALID_ARGUMENT if the consumer waits already
   */
  wait(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    if (this.#end) return this.#end.error ? Promise.reject(this.#end.error) : Promise.resolve(undefined)
    if (this.#consumer.size === 0) return this.#consumer.wait(signal)
    return Promise.reject(new UsmpError('INVALID_ARGUMENT', 'a session has one consumer, and it is waiting already'))
  }
}
