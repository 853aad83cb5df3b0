import { type Abortable, afterReading, type Clock, onAbort, UsmpError } from '@usmp/core'
import type { Age } from './age.js'
import type { RpcError } from './codes.js'
import { formatCall, type Id } from './envelope.js'
import type { Outbox } from './outbox.js'

/** How long an answer is waited for if the caller does not say, ms. */
export const DEFAULT_TIMEOUT = 10_000

/** A request as it leaves. */
export interface Question {
  readonly method: string
  readonly params: unknown
  readonly age?: Age
  readonly credit?: number
}

interface AskOptions<T> extends Abortable {
  /** ms; 0 for never */
  readonly timeout: number
  /** Makes something of the result, before the next message is looked at. What it throws, the caller gets. */
  readonly accept: (result: unknown) => T
}

interface Pending {
  /** The number of the message, if it was cut into pieces. */
  message: number | undefined
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** Requests of this end that wait for their answer. */
export class Asking {
  readonly #outbox: Outbox
  readonly #clock: Clock
  readonly #limit: number
  readonly #pending = new Map<Id, Pending>()
  #lastId = 0
  #end: UsmpError | undefined

  constructor(outbox: Outbox, clock: Clock, limit: number) {
    this.#outbox = outbox
    this.#clock = clock
    this.#limit = limit
  }

  /**
   * Sends a request and waits for its answer.
   * @throws RpcError of the peer; UsmpError REQUEST_TIMEOUT, ABORTED, QUEUE_FULL, MESSAGE_TOO_LARGE, or the reason of the end
   */
  ask<T>(question: Question, { timeout, signal, accept }: AskOptions<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#end) throw this.#end
      if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
      if (this.#pending.size >= this.#limit) {
        throw new UsmpError('QUEUE_FULL', `${this.#limit} requests wait for their answer`)
      }
      const id = ++this.#lastId
      const text = formatCall({ id, ...question })
      const unsent = new AbortController()
      const settle = () => {
        this.#pending.delete(id)
        this.#clock.clearTimer(timer)
        stopJudging?.()
        forgetSignal?.()
      }
      const fail = (error: unknown) => {
        settle()
        reject(error)
        // Whatever has not left yet is not sent any more.
        unsent.abort(error)
      }
      const giveUp = (error: UsmpError) => {
        fail(error)
        const cancel = () => this.#outbox.send(formatCall({ method: '$/cancel', params: { id } }))
        sent.then(cancel).catch(() => {})
      }
      const due = this.#clock.now() + timeout
      const onTimeout = () => giveUp(new UsmpError('REQUEST_TIMEOUT', `${question.method}, ${timeout} ms`))
      let stopJudging: (() => void) | undefined
      // After a stall the answer may be here and wait to be read.
      const judge = () => {
        stopJudging = afterReading(this.#clock, due, onTimeout)
      }
      const timer = timeout > 0 ? this.#clock.setTimer(judge, timeout) : undefined
      const callOff = () => giveUp(new UsmpError('ABORTED', undefined, { cause: signal?.reason }))
      const forgetSignal = signal && onAbort(signal, callOff)
      const pending: Pending = {
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
      const sent = this.#outbox.send(text, { signal: unsent.signal, onNumber })
      sent.catch((error) => {
        // Any other failure is the end of the session, which is told when everything received before it is worked on.
        if (error instanceof UsmpError && error.family === 'usage' && this.#pending.has(id)) fail(error)
      })
    })
  }

  /** A result came; false if nobody waits for it. */
  resolve(id: Id, result: unknown): boolean {
    const pending = this.#pending.get(id)
    pending?.resolve(result)
    return pending !== undefined
  }

  /** An error came; false if nobody waits for it. */
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

  /** The session is over: nobody gets an answer any more. */
  end(reason: UsmpError): void {
    this.#end = reason
    for (const pending of [...this.#pending.values()]) pending.reject(reason)
  }
}
