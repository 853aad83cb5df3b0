import { type Abortable, abortError, type Clock, onAbort, throwIfAborted, UsmpError } from '@usmp/core'
import type { RpcError } from './codes.js'
import { formatCall, type Id } from './envelope.js'
import type { MessageAge } from './message-age.js'
import type { MessageSender } from './message-sender.js'
import { setReadTimeout } from './timeout.js'

/** How long an answer is waited for if the caller does not say, ms. */
export const DEFAULT_TIMEOUT = 10_000

/** A request as it leaves. */
export interface Request {
  readonly method: string
  readonly params: unknown
  readonly age?: MessageAge | undefined
  readonly credit?: number
}

interface RequestOptions<T> extends Abortable {
  /** ms; 0 for never */
  readonly timeout: number
  /** Makes something of the result, before the next message is looked at. What it throws, the caller gets. */
  readonly accept: (result: unknown) => T
}

interface PendingRequest {
  /** The number of the message, if it was cut into chunks. */
  message: number | undefined
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** Requests of this end that wait for their answer. */
export class OutgoingRequests {
  readonly #sender: MessageSender
  readonly #clock: Clock
  readonly #limit: number
  readonly #pending = new Map<Id, PendingRequest>()
  #lastId = 0
  #end: UsmpError | undefined

  constructor(sender: MessageSender, clock: Clock, limit: number) {
    this.#sender = sender
    this.#clock = clock
    this.#limit = limit
  }

  /**
   * Sends a request and waits for its answer.
   * @throws RpcError of the peer; UsmpError REQUEST_TIMEOUT, ABORTED, QUEUE_FULL, MESSAGE_TOO_LARGE, or the reason of the end
   */
  send<T>(request: Request, { timeout, signal, accept }: RequestOptions<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#end) throw this.#end
      throwIfAborted(signal)
      if (this.#pending.size >= this.#limit) {
        throw new UsmpError('QUEUE_FULL', `${this.#limit} requests wait for their answer`)
      }
      const id = ++this.#lastId
      const text = formatCall({ id, ...request })
      const unsent = new AbortController()
      const settle = () => {
        this.#pending.delete(id)
        stopTimer()
        forgetSignal()
      }
      const fail = (error: unknown) => {
        settle()
        reject(error)
        // Whatever has not left yet is not sent any more.
        unsent.abort(error)
      }
      const giveUp = (error: UsmpError) => {
        fail(error)
        const cancel = () => this.#sender.send(formatCall({ method: '$/cancel', params: { id } }))
        sent.then(cancel).catch(() => {})
      }
      const onTimeout = () => giveUp(new UsmpError('REQUEST_TIMEOUT', `${request.method}, ${timeout} ms`))
      const stopTimer = setReadTimeout(this.#clock, timeout, onTimeout)
      const onSignal = () => giveUp(abortError(signal))
      const forgetSignal = onAbort(signal, onSignal)
      const pending: PendingRequest = {
        message: undefined,
        resolve: (result) => {
          settle()
          try {
            resolve(accept(result))
          } catch (error) {
            reject(error)
          }
        },
        reject: fail,
      }
      this.#pending.set(id, pending)
      const onNumber = (number: number) => (pending.message = number)
      const sent = this.#sender.send(text, { signal: unsent.signal, onNumber })
      sent.catch((error) => {
        // Any other failure is the end of the session, which is told when everything received before it is worked on.
        if (error instanceof UsmpError && error.family === 'usage' && this.#pending.has(id)) fail(error)
      })
    })
  }

  /** A result came; false if no request waits for it. */
  resolve(id: Id, result: unknown): boolean {
    const pending = this.#pending.get(id)
    pending?.resolve(result)
    return pending !== undefined
  }

  /** An error came; false if no request waits for it. */
  reject(id: Id | null, error: unknown): boolean {
    const pending = id === null ? undefined : this.#pending.get(id)
    pending?.reject(error)
    return pending !== undefined
  }

  /** The peer does not take a message that it knows by its number only; false if that was no request. */
  rejectMessage(error: RpcError): boolean {
    const number = (error.data as { message?: unknown } | undefined | null)?.message
    for (const pending of this.#pending.values()) {
      if (pending.message === undefined || pending.message !== number) continue
      pending.reject(error)
      return true
    }
    return false
  }

  /** The session is over: every request that waits is rejected with the reason. */
  end(reason: UsmpError): void {
    this.#end = reason
    for (const pending of [...this.#pending.values()]) pending.reject(reason)
  }
}
