import { UsmpError } from '@usmp/core'
import { Lateness } from './age.js'
import { checkReceived } from './check.js'
import { RpcCode, RpcError } from './codes.js'
import type { CallContext, Contract, Schema, ServedStream } from './contract.js'
import { errorObject, formatCall, formatError, formatResult, type Id, type Incoming } from './envelope.js'
import type { Limits } from './limits.js'
import type { Outbox } from './outbox.js'
import { Outflow } from './outflow.js'

type Handler = (params: never, context: CallContext) => unknown

/** What this end serves: a contract and the functions for it. */
export interface Service {
  readonly contract: Contract
  readonly requests: Readonly<Record<string, Handler>>
  readonly notifications: Readonly<Record<string, Handler | undefined>>
  readonly streams: Readonly<Record<string, ServedStream<never, unknown>>>
}

type Request = Extract<Incoming, { kind: 'request' }>

/** Requests, notifications and streams of the peer that this end works on. */
export class Serving {
  readonly #service: Service
  readonly #outbox: Outbox
  readonly #limits: Limits
  readonly #tell: (fault: Error) => void
  readonly #lateness = new Lateness()
  readonly #requests = new Map<Id, AbortController>()
  readonly #streams = new Map<Id, Outflow>()
  readonly #ended = new AbortController()
  #notifications = 0
  #refusals = 0

  /** @param tell hears of what nobody else hears of */
  constructor(service: Service, outbox: Outbox, limits: Limits, tell: (fault: Error) => void) {
    this.#service = service
    this.#outbox = outbox
    this.#limits = limits
    this.#tell = tell
  }

  /** Works on a request. @param now ms on the session clock */
  request(request: Request, now: number): void {
    const { id } = request
    if (this.#requests.has(id) || this.#streams.has(id)) {
      // An answer with this id would be taken for that of the first one.
      return this.refuse(
        null,
        new RpcError(RpcCode.INVALID_REQUEST, `the id ${JSON.stringify(id)} is under way already`),
      )
    }
    try {
      this.#begin(request, now)
    } catch (error) {
      this.refuse(id, this.#errorOf(error, this.#ended.signal))
    }
  }

  /** Works on a notification; none is ever answered. */
  notification(method: string, params: object): void {
    const schema = own(this.#service.contract.notifications, method)
    const handler = own(this.#service.notifications, method)
    if (!schema) return this.#tell(new RpcError(RpcCode.METHOD_NOT_FOUND, `no notification ${JSON.stringify(method)}`))
    if (!handler) return
    if (this.#notifications >= this.#limits.served) {
      return this.#tell(new RpcError(RpcCode.BUSY, `${method} was dropped: ${this.#limits.served} are worked on`))
    }
    this.#notifications++
    void this.#notify(method, handler, schema, params)
  }

  /** The peer does not want an answer, or a stream, any more. */
  cancel(id: Id): void {
    this.#requests.get(id)?.abort(new RpcError(RpcCode.CANCELLED, 'the peer cancelled the request'))
    this.stop(id)
  }

  stop(stream: Id): void {
    this.#streams.get(stream)?.stop(new RpcError(RpcCode.CANCELLED, 'the peer stopped the stream'))
  }

  grant(stream: Id, count: number): void {
    this.#streams.get(stream)?.grant(count)
  }

  /** Answers with an error. Drops it if too many wait already: the peer sends rubbish and reads nothing. */
  refuse(id: Id | null, error: RpcError): void {
    if (this.#refusals >= this.#limits.served) return this.#tell(error)
    this.#refusals++
    void this.#send(formatError(id, error)).finally(() => this.#refusals--)
  }

  /** The session is over. */
  end(reason: UsmpError): void {
    this.#ended.abort(reason)
    for (const request of this.#requests.values()) request.abort(reason)
    for (const stream of this.#streams.values()) stream.stop(reason)
  }

  /** @throws RpcError if it is not worked on */
  #begin({ id, method, params, age, credit }: Request, now: number): void {
    // Measured before anything is decided: every request tells about the time under way.
    const late = age ? this.#lateness.measure(now, age.at) : 0
    const { requests, streams } = this.#service.contract
    const definition = own(requests, method) ?? own(streams, method)
    if (!definition) throw new RpcError(RpcCode.METHOD_NOT_FOUND, `no method ${JSON.stringify(method)}`)
    if (age && late > age.ttl) {
      throw new RpcError(RpcCode.TOO_OLD, `${Math.round(late)} ms late, of use for ${age.ttl} ms; not carried out`)
    }
    const checked = checkReceived(definition.params, params) as never
    const stream = own(this.#service.streams, method)
    if (stream) return this.#open(id, stream, checked, credit)
    if (this.#requests.size >= this.#limits.served) {
      throw new RpcError(RpcCode.BUSY, `${this.#limits.served} requests are worked on already`)
    }
    const abort = new AbortController()
    this.#requests.set(id, abort)
    void this.#answer(id, own(this.#service.requests, method)!, checked, abort.signal)
  }

  async #answer(id: Id, handler: Handler, params: never, signal: AbortSignal): Promise<void> {
    let text: string
    try {
      text = formatResult(id, await handler(params, { signal }))
    } catch (error) {
      text = formatError(id, this.#errorOf(error, signal))
    }
    // The place is free when the answer has left: who does not read answers gets no more of them.
    await this.#send(text, (error) => formatError(id, tooLarge('answer', error)))
    this.#requests.delete(id)
  }

  async #notify(method: string, handler: Handler, schema: Schema, params: object): Promise<void> {
    const signal = this.#ended.signal
    try {
      await handler(checkReceived(schema, params) as never, { signal })
    } catch (error) {
      if (error instanceof RpcError) this.#tell(new RpcError(error.code, `${method}: ${error.message}`, error.data))
      else this.#errorOf(error, signal)
    } finally {
      this.#notifications--
    }
  }

  #open(id: Id, served: ServedStream<never, unknown>, params: never, credit: number | undefined): void {
    if (this.#streams.size >= this.#limits.streams) {
      throw new RpcError(RpcCode.BUSY, `${this.#limits.streams} streams are open already`)
    }
    const outflow = new Outflow(served, credit, async (value) => {
      const text = formatCall({ method: '$/item', params: { stream: id, value: value ?? null } })
      try {
        await this.#outbox.send(text)
      } catch (error) {
        if (isTooLarge(error)) throw error
        // The session is over.
        outflow.stop(error)
      }
    })
    this.#streams.set(id, outflow)
    void this.#run(id, outflow, served, params)
  }

  async #run(id: Id, outflow: Outflow, { overflow }: ServedStream<never, unknown>, params: never): Promise<void> {
    await this.#send(formatResult(id, { stream: id, overflow }))
    let error: RpcError | undefined
    try {
      await outflow.run(params)
    } catch (cause) {
      error = this.#errorOf(cause, outflow.signal)
    }
    if (!outflow.stopped) await this.#send(formatEnd(id, error), (cause) => formatEnd(id, tooLarge('error', cause)))
    this.#streams.delete(id)
  }

  /** What the peer is told about what a handler threw. The rest is told at this end. */
  #errorOf(error: unknown, signal: AbortSignal): RpcError {
    if (error instanceof RpcError) return error
    if (signal.aborted) return new RpcError(RpcCode.CANCELLED, 'cancelled')
    this.#tell(error instanceof Error ? error : new Error('a handler threw no error', { cause: error }))
    if (isTooLarge(error)) return new RpcError(RpcCode.BUSY, error.message)
    return new RpcError(RpcCode.INTERNAL_ERROR, 'internal error')
  }

  /** Sends, and instead of what is too large something else. If the session is over, nobody waits for it. */
  async #send(text: string, instead?: (error: UsmpError) => string): Promise<void> {
    try {
      await this.#outbox.send(text)
    } catch (error) {
      if (instead && isTooLarge(error)) await this.#send(instead(error))
      else if (error instanceof UsmpError && error.family === 'usage') this.#tell(error)
    }
  }
}

function formatEnd(stream: Id, error: RpcError | undefined): string {
  return formatCall({ method: '$/end', params: { stream, ...(error ? { error: errorObject(error) } : {}) } })
}

function tooLarge(what: string, { message }: UsmpError): RpcError {
  return new RpcError(RpcCode.BUSY, `the ${what} cannot be sent: ${message}`)
}

function isTooLarge(error: unknown): error is UsmpError {
  return error instanceof UsmpError && error.code === 'MESSAGE_TOO_LARGE'
}

/** An own property: names that the peer chooses must not reach what every object has. */
function own<T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return table && Object.hasOwn(table, name) ? table[name] : undefined
}
