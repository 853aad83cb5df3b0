import { UsmpError } from './errors.js'

/** Reading pauses when so much waits for the consumer, and goes on when half of it is gone. */
const MAX_MESSAGES = 64
const MAX_BYTES = 64 * 1024

interface Waiter {
  resolve(message: Uint8Array | undefined): void
  reject(reason: UsmpError): void
}

/** Messages between the network and the one consumer. What was received before the end is always delivered first. */
export class Inbox {
  readonly #messages: Uint8Array[] = []
  #bytes = 0
  #waiter: Waiter | undefined
  #end: { readonly error: UsmpError | undefined } | undefined

  /** Whether the producer should stop. */
  get full(): boolean {
    return this.#messages.length >= MAX_MESSAGES || this.#bytes >= MAX_BYTES
  }

  /** Whether a stopped producer may go on. */
  get roomy(): boolean {
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

  /**
   * The next message, or undefined after a good end. `cancel` takes back the wait for it, and does nothing once it is over.
   * The promise rejects with the reason of a bad end; INVALID_ARGUMENT if somebody waits already.
   */
  take(): { message: Promise<Uint8Array | undefined>; cancel: (reason: UsmpError) => void } {
    const message = this.#messages.shift()
    if (message) this.#bytes -= message.length
    if (message || (this.#end && !this.#end.error)) return { message: Promise.resolve(message), cancel: () => {} }
    if (this.#end?.error) return refusal(this.#end.error)
    if (this.#waiter) {
      return refusal(new UsmpError('INVALID_ARGUMENT', 'a session has one consumer, and it is waiting already'))
    }
    let waiter: Waiter
    const waiting = new Promise<Uint8Array | undefined>((resolve, reject) => {
      this.#waiter = waiter = { resolve, reject }
    })
    return {
      message: waiting,
      cancel: (reason) => {
        if (this.#waiter === waiter) this.#answer(({ reject }) => reject(reason))
      },
    }
  }

  #answer(give: (waiter: Waiter) => void): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter) give(waiter)
  }
}

function refusal(reason: UsmpError): ReturnType<Inbox['take']> {
  return { message: Promise.reject(reason), cancel: () => {} }
}
