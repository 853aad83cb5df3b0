import { UsmpError } from '@usmp/core'
import { checkReceived } from './check.js'
import { RpcCode, RpcError } from './codes.js'
import type { CallContext, Contract, Schema, ServedStream } from './contract.js'
import { errorObject, formatCall, formatError, formatResult, type Id, type Incoming } from './envelope.js'
import type { Limits } from './limits.js'
import { Lateness } from './message-age.js'
import type { MessageSender } from './message-sender.js'
import { StreamProducer } from './stream-producer.js'

type Handler = (params: never, context: CallContext) => unknown

/** What this end serves: a contract and the functions for it. */
export interface Service {
  readonly contract: Contract
  readonly requests: Readonly<Record<string, Handler>>
  readonly notifications: Readonly<Record<string, Handler | undefined>>
  readonly streams: Readonly<Record<string, ServedStream<never, unknown>>>
}

type IncomingRequest = Extract<Incoming, { kind: 'request' }>

/** Requests, notifications and streams of the peer that this end works on. */
export class IncomingRequests {
  readonly #service: Service
  readonly #sender: MessageSender
  readonly #limits: Limits
  readonly #report: (fault: Error) => void
  readonly #lateness = new Lateness()
  readonly #requests = new Map<Id, AbortController>()
  readonly #producers = new Map<Id, StreamProducer>()
  readonly #ended = new AbortController()
  #notifications = 0
  #waitingErrors = 0

  /** @param report told of faults that no answer and no promise tells */
  constructor(service: Service, sender: MessageSender, limits: Limits, report: (fault: Error) => void) {
    this.#service = service
    this.#sender = sender
    this.#limits = limits
    this.#report = report
  }

  /** Works on a request. @param now ms on the session clock */
  request(request: IncomingRequest, now: number): void {
    const { id } = request
    if (this.#requests.has(id) || this.#producers.has(id)) {
      // An answer with this id would be taken for that of the first one.
      return this.sendError(
        null,
        new RpcError(RpcCode.INVALID_REQUEST, `the id ${JSON.stringify(id)} is under way already`),
      )
    }
    try {
      this.#start(request, now)
    } catch (error) {
      this.sendError(id, this.#errorOf(error, this.#ended.signal))
    }
  }

  /** Works on a notification; none is ever answered. */
  notification(method: string, params: object): void {
    const schema = own(this.#service.contract.notifications, method)
    const handler = own(this.#service.notifications, method)
    if (!schema)
      return this.#report(new RpcError(RpcCode.METHOD_NOT_FOUND, `no notification ${JSON.stringify(method)}`))
    if (!handler) return
    if (this.#notifications >= this.#limits.incomingRequests) {
      return this.#report(
        new RpcError(RpcCode.BUSY, `${method} was dropped: ${this.#limits.incomingRequests} are worked on`),
      )
    }
    this.#notifications++
    void this.#notify(method, handler, schema, params)
  }

  /** The peer does not want an answer, or a stream, any more. */
  cancel(id: Id): void {
    this.#requests.get(id)?.abort(new RpcError(RpcCode.CANCELLED, 'the peer cancelled the request'))
    this.stopStream(id)
  }

  stopStream(stream: Id): void {
    this.#producers.get(stream)?.stop(new RpcError(RpcCode.CANCELLED, 'the peer stopped the stream'))
  }

  grantCredit(stream: Id, count: number): void {
    this.#producers.get(stream)?.grant(count)
  }

  /** Answers with an error. Drops it if too many wait already: the peer sends rubbish and reads nothing. */
  sendError(id: Id | null, error: RpcError): void {
    if (this.#waitingErrors >= this.#limits.incomingRequests) return this.#report(error)
    this.#waitingErrors++
    void this.#send(formatError(id, error)).finally(() => this.#waitingErrors--)
  }

  /** The session is over. */
  end(reason: UsmpError): void {
    this.#ended.abort(reason)
    for (const request of this.#requests.values()) request.abort(reason)
    for (const stream of this.#producers.values()) stream.stop(reason)
  }

  /** @throws RpcError if it is not worked on */
  #start({ id, method, params, age, credit }: IncomingRequest, now: number): void {
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
    if (stream) return this.#openStream(id, stream, checked, credit)
    if (this.#requests.size >= this.#limits.incomingRequests) {
      throw new RpcError(RpcCode.BUSY, `${this.#limits.incomingRequests} requests are worked on already`)
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
      if (error instanceof RpcError) this.#report(new RpcError(error.code, `${method}: ${error.message}`, error.data))
      else this.#errorOf(error, signal)
    } finally {
      this.#notifications--
    }
  }

  #openStream(id: Id, served: ServedStream<never, unknown>, params: never, credit: number | undefined): void {
    if (this.#producers.size >= this.#limits.streams) {
      throw new RpcError(RpcCode.BUSY, `${this.#limits.streams} streams are open already`)
    }
    const producer = new StreamProducer(served, credit, async (value) => {
      const text = formatCall({ method: '$/item', params: { stream: id, value: value ?? null } })
      try {
        await this.#sender.send(text)
      } catch (error) {
        if (isTooLarge(error)) throw error
        // The session is over.
        producer.stop(error)
      }
    })
    this.#producers.set(id, producer)
    void this.#runStream(id, producer, served, params)
  }

  async #runStream(
    id: Id,
    producer: StreamProducer,
    { overflow }: ServedStream<never, unknown>,
    params: never,
  ): Promise<void> {
    await this.#send(formatResult(id, { stream: id, overflow }))
    let error: RpcError | undefined
    try {
      await producer.run(params)
    } catch (cause) {
      error = this.#errorOf(cause, producer.signal)
    }
    if (!producer.stopped) await this.#send(formatEnd(id, error), (cause) => formatEnd(id, tooLarge('error', cause)))
    this.#producers.delete(id)
  }

  /** What the peer is told about what a handler threw. The rest is told at this end. */
  #errorOf(error: unknown, signal: AbortSignal): RpcError {
    if (error instanceof RpcError) return error
    if (signal.aborted) return new RpcError(RpcCode.CANCELLED, 'cancelled')
    this.#report(error instanceof Error ? error : new Error('a handler threw no error', { cause: error }))
    if (isTooLarge(error)) return new RpcError(RpcCode.BUSY, error.message)
    return new RpcError(RpcCode.INTERNAL_ERROR, 'internal error')
  }

  /** Sends, and instead of what is too large something else. If the session is over, it is dropped. */
  async #send(text: string, instead?: (error: UsmpError) => string): Promise<void> {
    try {
      await this.#sender.send(text)
    } catch (error) {
      if (instead && isTooLarge(error)) await this.#send(instead(error))
      else if (error instanceof UsmpError && error.family === 'usage') this.#report(error)
    }
  }
}

function formatEnd(stream: Id, error: RpcError | undefined): string {
  return formatCall({ method: '$/end', params: { stream, error: error && errorObject(error) } })
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
