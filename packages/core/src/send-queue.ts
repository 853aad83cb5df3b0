import { copyBytes } from './bytes.js'
import type { Clock } from './clock.js'
import { HEADER_SIZE, SEAL_OVERHEAD } from './constants.js'
import { assertMessage } from './fragment.js'
import { WaitQueue } from './wait-queue.js'

/** Most `send` calls that may wait at once. */
const MAX_WAITING_SENDS = 1024
/** A session that sends without a pause lets the event loop run after this many bytes. */
const YIELD_BYTES = 64 * 1024
/** What every message costs besides its bytes, so that empty ones count too. */
const FRAME_OVERHEAD = HEADER_SIZE + SEAL_OVERHEAD

const utf8 = new TextEncoder()

/** Where the messages of a send queue go. */
export interface SendOutlet {
  /** The longest message, bytes. */
  readonly maxMessage: number
  /** Whether it takes no message for now. */
  readonly full: boolean
  /**
   * Seals one message, to be written with the others of this tick.
   * @throws UsmpError like `send` of a connection
   */
  sendNow(message: Uint8Array): void
  /** No message waits. Called again each time the queue finds itself empty. */
  onEmpty(): void
}

/** Bytes of the transport that a message takes, in a single frame. */
export function costOf(message: Uint8Array): number {
  return message.length + FRAME_OVERHEAD
}

/**
 * The messages that wait for the transport, in the order of their `send` calls.
 *
 * A message goes straight to the outlet while that has room and nothing waits. Otherwise a copy waits until `flush`, which
 * the driver calls whenever there may be room again. The queue owns the waiting calls, and how long the session has sent
 * without a pause. A message must never overtake another, nor reach the outlet while it is full.
 */
export class SendQueue {
  readonly #outlet: SendOutlet
  readonly #clock: Clock
  readonly #waiting = new WaitQueue<void, Uint8Array>(MAX_WAITING_SENDS, 'messages wait for the transport')
  /** Bytes since the event loop last ran. */
  #bytesSinceYield = 0
  #yielding = false

  constructor(outlet: SendOutlet, clock: Clock) {
    this.#outlet = outlet
    this.#clock = clock
  }

  /** Messages that wait. */
  get size(): number {
    return this.#waiting.size
  }

  /**
   * Sends a message, or lets a copy of it wait.
   * @returns undefined if it was sent; otherwise a promise that settles when it was, or never will be
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE, or the reason of the end
   */
  send(message: Uint8Array | string, signal: AbortSignal | undefined): Promise<void> | undefined {
    const bytes = encode(message)
    if (!this.#outlet.full && !this.#yielding && this.size === 0) {
      this.#sendNow(bytes)
      return undefined
    }
    assertMessage(bytes, this.#outlet.maxMessage)
    return this.#waiting.wait(signal, bytes === message ? copyBytes(bytes) : bytes, () => this.#tellIfEmpty())
  }

  /**
   * Sends a message if the outlet takes it right now and nothing waits.
   * @returns whether it was sent
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE, or the reason of the end
   */
  trySend(message: Uint8Array): boolean {
    if (this.#outlet.full || this.size > 0) return false
    this.#sendNow(message)
    return true
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    while (!this.#outlet.full && !this.#yielding && this.size > 0) {
      const { data, resolve, reject } = this.#waiting.shift()!
      try {
        this.#sendNow(data)
        resolve()
      } catch (error) {
        reject(error)
      }
    }
    this.#tellIfEmpty()
  }

  /** The session is over: nothing that waits is sent. */
  end(reason: unknown): void {
    this.#waiting.rejectAll(reason)
  }

  #sendNow(message: Uint8Array): void {
    this.#outlet.sendNow(message)
    this.#bytesSinceYield += costOf(message)
    if (this.#bytesSinceYield >= YIELD_BYTES) this.#yield()
  }

  /** A peer that takes everything at once must not keep the event loop from everybody else. */
  #yield(): void {
    this.#bytesSinceYield = 0
    this.#yielding = true
    this.#clock.yieldToEventLoop(() => {
      this.#yielding = false
      this.flush()
    })
  }

  #tellIfEmpty(): void {
    if (this.size === 0) this.#outlet.onEmpty()
  }
}

/** Text as UTF-8. */
export function encode(message: Uint8Array | string): Uint8Array {
  return typeof message === 'string' ? utf8.encode(message) : message
}
