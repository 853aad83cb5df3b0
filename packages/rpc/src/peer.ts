import { type Abortable, abortError, asUsmpError, type Clock, onAbort, systemClock, UsmpError } from '@usmp/core'
import { checkOptions, isObject } from '@usmp/core/options'
import { assertBinary, BINARY_MARK } from './binary.js'
import { checkAnswer, checkSent } from './check.js'
import { CHUNK_MARK, ChunkAssembler } from './chunks.js'
import { RpcCode, RpcError } from './codes.js'
import {
  assertMethodName,
  type Contract,
  contract,
  type EmptyContract,
  type NotificationHandlers,
  type NotificationName,
  type NotificationParams,
  type RequestHandlers,
  type RequestName,
  type RequestParams,
  type RequestResult,
  type Schema,
  type StreamHandlers,
  type StreamItem,
  type StreamName,
  type StreamParams,
} from './contract.js'
import {
  formatCall,
  type Id,
  type Incoming,
  isCount,
  isId,
  parseError,
  parseMessage,
  RejectedMessage,
} from './envelope.js'
import { IncomingRequests, type Service } from './incoming-requests.js'
import { completeLimits, type Limits } from './limits.js'
import { MessageSender } from './message-sender.js'
import { notifyTable, requestTable, rpcTable, streamTable } from './options.js'
import { DEFAULT_TIMEOUT, OutgoingRequests } from './outgoing-requests.js'
import type { RpcSession } from './session.js'
import { StreamConsumer, WINDOW } from './stream-consumer.js'

interface CommonOptions<S, C> {
  /** What this end answers. */
  readonly serves?: S
  /** What the other end answers. */
  readonly calls?: C
  /** Functions for notifications of `serves`. */
  readonly notifications?: NotificationHandlers<S>
  readonly limits?: Partial<Limits>
  /** Takes binary messages of the peer, which begin with 0xFE; without it they are refused as what is not JSON. It may keep the bytes. */
  readonly onBinary?: (message: Uint8Array) => void
  /** Told of faults that no promise tells: faults of handlers, messages that were refused, answers to no request. */
  readonly onFault?: (fault: Error) => void
  /** Where the session clock and timeouts come from; default the platform's. */
  readonly clock?: Clock
}

type RequestsOption<S> = [RequestName<S>] extends [never]
  ? { readonly requests?: EmptyContract }
  : { /** A function for every request of `serves`. */ readonly requests: RequestHandlers<S> }

type StreamsOption<S> = [StreamName<S>] extends [never]
  ? { readonly streams?: EmptyContract }
  : { /** A source for every stream of `serves`. */ readonly streams: StreamHandlers<S> }

/** Options of {@link rpc}. */
export type RpcOptions<S, C> = CommonOptions<S, C> & RequestsOption<S> & StreamsOption<S>

/** Options of {@link Peer.stream}. */
export interface StreamOptions extends Abortable {
  /** ms until the peer has opened the stream; 0 for never; default 10000. */
  readonly timeout?: number
}

/** Options of {@link Peer.request}. */
export interface RequestOptions extends Abortable {
  /** ms until an answer; 0 for never; default 10000. */
  readonly timeout?: number
  /** ms after which the peer is not to carry the request out any more. */
  readonly ttl?: number | undefined
}

/**
 * The other end of a session, as an application talks to it.
 *
 * `rpc` makes it, and it becomes the session's one reader at once. The application calls `request`, `notify`, `tryNotify`
 * and `stream` in any order, until `closed` resolves. Each message that comes is put together from its chunks, parsed, and
 * given to the part that it is for; it is dealt with before the next one is read.
 *
 * The peer owns the reading and the streams that this end consumes. {@link OutgoingRequests} owns the calls of this end
 * that wait, {@link IncomingRequests} what the other end has asked for, {@link MessageSender} what leaves, and
 * {@link ChunkAssembler} messages that are not whole yet. Nothing that the other end sends may end the session, throw into
 * the application, or take more than the limits allow. An answer or a notification must never be answered.
 */
export class Peer<C> {
  readonly #session: RpcSession
  readonly #clock: Clock
  readonly #established: number
  readonly #calls: Contract
  readonly #limits: Limits
  readonly #report: (fault: Error) => void
  readonly #onBinary: ((message: Uint8Array) => void) | undefined
  readonly #sender: MessageSender
  readonly #assembler: ChunkAssembler
  readonly #outgoing: OutgoingRequests
  readonly #incoming: IncomingRequests
  readonly #consumers = new Map<Id, StreamConsumer>()
  #opening = 0
  readonly #closed: Promise<UsmpError>
  #ended: UsmpError | undefined

  /** Use {@link rpc}. */
  constructor(session: RpcSession, service: Service, options: CommonOptions<unknown, unknown>) {
    this.#session = session
    this.#clock = options.clock ?? systemClock
    this.#established = this.#clock.now()
    this.#calls = contract((options.calls ?? {}) as Contract)
    this.#limits = completeLimits(options.limits)
    const { onFault, onBinary } = options
    this.#onBinary = onBinary
    // What it throws must not end the reading.
    this.#report = (fault) => onFault && queueMicrotask(() => onFault(fault))
    this.#sender = new MessageSender(session, this.#limits.message)
    this.#assembler = new ChunkAssembler(this.#limits.message)
    this.#outgoing = new OutgoingRequests(this.#sender, this.#clock, this.#limits.outgoingRequests)
    this.#incoming = new IncomingRequests(service, this.#sender, this.#limits, this.#report)
    this.#closed = this.#read()
  }

  /** Resolves with the reason of the end of the session, after everything received before it was worked on. */
  get closed(): Promise<UsmpError> {
    return this.#closed
  }

  /** The reason of the end, undefined before it. */
  get ended(): UsmpError | undefined {
    return this.#ended
  }

  /**
   * Asks the peer.
   * @throws RpcError if the peer answers with an error; UsmpError INVALID_ARGUMENT if the parameters do not fit the contract,
   * REQUEST_TIMEOUT, ABORTED, INVALID_RESPONSE, MESSAGE_TOO_LARGE, QUEUE_FULL; the reason of the end if the session ends before the
   * answer
   */
  async request<M extends RequestName<C>>(
    method: M,
    params: RequestParams<C, M>,
    options: RequestOptions = {},
  ): Promise<RequestResult<C, M>> {
    const { params: schema, result } = definitionOf(this.#calls.requests, method)
    checkSent(method, schema, params)
    return this.#ask(method, params, options, (answer) => checkAnswer(method, result, answer) as RequestResult<C, M>)
  }

  /**
   * Asks the peer for a method that stands in no contract, as a console does. The answer is whatever JSON the peer sends.
   * @throws UsmpError INVALID_ARGUMENT for a reserved name, or parameters that are no object; otherwise as {@link request}
   */
  async requestUntyped(
    method: string,
    params: Readonly<Record<string, unknown>>,
    options: RequestOptions = {},
  ): Promise<unknown> {
    assertMethodName(method)
    if (!isObject(params)) throw new UsmpError('INVALID_ARGUMENT', `the parameters of ${method} must be an object`)
    return this.#ask(method, params, options, (answer) => answer)
  }

  #ask<T>(method: string, params: unknown, options: RequestOptions, accept: (answer: unknown) => T): Promise<T> {
    checkOptions('request', options, requestTable)
    const { timeout = DEFAULT_TIMEOUT, ttl, signal } = options
    const age = ttl === undefined ? undefined : { at: Math.round(this.#now()), ttl }
    return this.#outgoing.send({ method, params, age }, { timeout, signal, accept })
  }

  /**
   * Tells the peer something. Resolves when it is handed to the session, waits while that is full.
   * @throws UsmpError INVALID_ARGUMENT if it does not fit the contract, ABORTED, MESSAGE_TOO_LARGE, QUEUE_FULL; the reason of
   * the end if the session has ended
   */
  async notify<M extends NotificationName<C>>(
    method: M,
    params: NotificationParams<C, M>,
    options: Abortable = {},
  ): Promise<void> {
    checkOptions('notify', options, notifyTable)
    checkSent(method, definitionOf(this.#calls.notifications, method), params)
    return this.#sender.send(formatCall({ method, params }), options)
  }

  /**
   * Tells the peer something if the session takes it right now.
   * @returns false if it was dropped, because the session is full or has ended
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  tryNotify<M extends NotificationName<C>>(method: M, params: NotificationParams<C, M>): boolean {
    checkSent(method, definitionOf(this.#calls.notifications, method), params)
    return this.#sender.trySend(formatCall({ method, params }))
  }

  /**
   * Sends a message beside JSON-RPC, for `onBinary` of the peer. Resolves when it is handed to the session, waits while that is full.
   * @param message begins with 0xFE; at most `maxMessage` of the session, 1808 bytes. Copied where it has to wait
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE, ABORTED, QUEUE_FULL; the reason of the end if the session has ended
   */
  async sendBinary(message: Uint8Array, options: Abortable = {}): Promise<void> {
    checkOptions('sendBinary', options, notifyTable)
    assertBinary(message)
    return this.#session.send(message, options)
  }

  /**
   * Sends a message beside JSON-RPC if the session takes it right now.
   * @returns false if it was dropped, because the session is full or has ended
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  trySendBinary(message: Uint8Array): boolean {
    assertBinary(message)
    return this.#session.trySend(message)
  }

  /**
   * Opens a stream when the first item is asked for. Leaving the loop stops it. At most 16 items wait here.
   * @throws RpcError if the peer refuses it or it fails there; UsmpError like `request`
   */
  async *stream<M extends StreamName<C>>(
    method: M,
    params: StreamParams<C, M>,
    options: StreamOptions = {},
  ): AsyncGenerator<StreamItem<C, M>, void, undefined> {
    checkOptions('stream', options, streamTable)
    const { timeout = DEFAULT_TIMEOUT, signal } = options
    const { params: paramsSchema, item: itemSchema } = definitionOf(this.#calls.streams, method)
    checkSent(method, paramsSchema, params)
    const consumer = await this.#openStream(method, params, { timeout, signal })
    const onSignal = () => consumer.abort(abortError(signal))
    if (signal?.aborted) onSignal()
    const forgetSignal = onAbort(signal, onSignal)
    try {
      for (let next = await consumer.next(); next; next = await consumer.next()) {
        yield checkAnswer(method, itemSchema, next.item) as StreamItem<C, M>
      }
    } finally {
      forgetSignal()
      this.#consumers.delete(consumer.id)
      if (!consumer.ended) this.#sendControl('$/stop', { stream: consumer.id })
    }
  }

  async #openStream(method: string, params: unknown, options: { timeout: number; signal: AbortSignal | undefined }) {
    if (this.#consumers.size + this.#opening >= this.#limits.streams) {
      throw new UsmpError('QUEUE_FULL', `${this.#limits.streams} streams are open already`)
    }
    this.#opening++
    try {
      const accept = (answer: unknown) => this.#openConsumer(method, answer)
      return await this.#outgoing.send({ method, params, credit: WINDOW }, { ...options, accept })
    } finally {
      this.#opening--
    }
  }

  /** Makes ready for the items, which come right behind the answer. */
  #openConsumer(method: string, answer: unknown): StreamConsumer {
    const { stream: id, overflow } = (answer ?? {}) as { stream?: unknown; overflow?: unknown }
    if (!isId(id) || this.#consumers.has(id)) throw new UsmpError('INVALID_RESPONSE', `${method} opened no new stream`)
    const consumer = new StreamConsumer(id, overflow === 'keepLatest', (count) =>
      this.#sendControl('$/credit', { stream: id, count }),
    )
    this.#consumers.set(id, consumer)
    return consumer
  }

  /** Tells the peer's package something; if that cannot be sent, the session is over or lost anyway. */
  #sendControl(method: string, params: object): void {
    this.#sender.send(formatCall({ method, params })).catch(() => {})
  }

  /** ms since the session was established. */
  #now(): number {
    return this.#clock.now() - this.#established
  }

  // ─── receiving ───

  async #read(): Promise<UsmpError> {
    let reason: UsmpError | undefined
    try {
      for (let bytes = await this.#session.receive(); bytes; bytes = await this.#session.receive()) this.#receive(bytes)
    } catch (error) {
      reason = asUsmpError(error, 'TRANSPORT_FAILED')
      // Somebody else reads this session, or it has ended already.
      await this.#session.close()
    }
    reason ??= await this.#session.closed
    this.#ended = reason
    this.#outgoing.end(reason)
    this.#incoming.end(reason)
    for (const consumer of this.#consumers.values()) consumer.end(reason)
    return reason
  }

  #receive(bytes: Uint8Array): void {
    try {
      if (bytes[0] === BINARY_MARK && this.#onBinary) return this.#takeBinary(this.#onBinary, bytes)
      const whole = bytes[0] === CHUNK_MARK ? this.#assembler.push(bytes) : bytes
      if (whole) this.#handle(parseMessage(whole))
    } catch (error) {
      if (!(error instanceof RejectedMessage)) throw error
      this.#rejectMessage(error)
    }
  }

  /** What the application's function throws must not end the reading. */
  #takeBinary(onBinary: (message: Uint8Array) => void, bytes: Uint8Array): void {
    try {
      onBinary(bytes)
    } catch (error) {
      this.#report(error instanceof Error ? error : new Error('onBinary threw no error', { cause: error }))
    }
  }

  #rejectMessage({ error, id, silent }: RejectedMessage): void {
    this.#report(error)
    if (!silent) return this.#incoming.sendError(id, error)
    this.#outgoing.reject(id, new UsmpError('INVALID_RESPONSE', error.message))
  }

  #handle(message: Incoming): void {
    switch (message.kind) {
      case 'request':
        return this.#incoming.request(message, this.#now())
      case 'notification':
        if (message.method.startsWith('$/')) return this.#control(message.method, message.params)
        return this.#incoming.notification(message.method, message.params)
      case 'result':
        if (this.#outgoing.resolve(message.id, message.result)) return
        return this.#report(
          new RpcError(RpcCode.INVALID_REQUEST, `an answer to nothing, id ${JSON.stringify(message.id)}`),
        )
      case 'error':
        if (this.#outgoing.reject(message.id, message.error)) return
        if (message.id === null && this.#outgoing.rejectMessage(message.error)) return
        return this.#report(message.error)
      default:
        message satisfies never
    }
  }

  /** Notifications of the package itself. They can cross the end of what they are about; then they mean nothing. */
  #control(method: string, { id, stream, count, value, error }: Record<string, unknown>): void {
    const consumer = isId(stream) ? this.#consumers.get(stream) : undefined
    if (method === '$/cancel' && isId(id)) this.#incoming.cancel(id)
    if (method === '$/stop' && isId(stream)) this.#incoming.stopStream(stream)
    if (method === '$/credit' && isId(stream) && isCount(count)) this.#incoming.grantCredit(stream, count)
    if (method === '$/item') consumer?.push(value)
    if (method === '$/end') consumer?.end(error === undefined ? undefined : (parseError(error) ?? badEnd()))
  }
}

/**
 * Speaks JSON-RPC 2.0 over an established session, in both directions. It becomes the session's one reader.
 * @param session best right after its handshake: its clock begins now
 * @throws UsmpError INVALID_ARGUMENT if a request or stream of `serves` has no function, or a contract has an unusable name
 */
export function rpc<S extends Contract = EmptyContract, C extends Contract = EmptyContract>(
  session: RpcSession,
  options: RpcOptions<S, C>,
): Peer<C> {
  checkOptions('rpc', options, rpcTable(options?.serves))
  assertServed(options)
  const { serves = {}, requests = {}, notifications = {}, streams = {} } = options
  return new Peer<C>(session, { contract: serves, requests, notifications, streams } as Service, options)
}

/** @throws UsmpError INVALID_ARGUMENT if something that `serves` promises is not there */
export function assertServed(options: Partial<Service> & { serves?: Contract }): void {
  const { requests: promised = {}, streams: promisedStreams = {} } = contract(options.serves ?? {})
  const given = { ...options.requests, ...options.streams }
  const missing = Object.keys({ ...promised, ...promisedStreams }).find((name) => !Object.hasOwn(given, name))
  if (missing) throw new UsmpError('INVALID_ARGUMENT', `nothing serves ${missing}, which the contract promises`)
}

function definitionOf<T extends Schema | { params: Schema }>(
  table: Readonly<Record<string, T>> | undefined,
  method: string,
): T {
  if (table && Object.hasOwn(table, method)) return table[method]!
  throw new UsmpError('INVALID_ARGUMENT', `the contract \`calls\` has no ${method} of this kind`)
}

function badEnd(): UsmpError {
  return new UsmpError('INVALID_RESPONSE', 'a stream ended with an error that is none')
}
