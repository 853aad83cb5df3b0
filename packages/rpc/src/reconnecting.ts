import {
  type Abortable,
  asUsmpError,
  type Clock,
  onAbort,
  systemClock,
  throwIfAborted,
  UsmpError,
  WaitQueue,
} from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import type {
  Contract,
  EmptyContract,
  NotificationName,
  NotificationParams,
  RequestName,
  RequestParams,
  RequestResult,
  StreamItem,
  StreamName,
  StreamParams,
} from './contract.js'
import { completeLimits } from './limits.js'
import { reconnectingRequestTable, reconnectingTable } from './options.js'
import { DEFAULT_TIMEOUT } from './outgoing-requests.js'
import { assertServed, type Peer, type RequestOptions, type RpcOptions, rpc, type StreamOptions } from './peer.js'
import type { RpcSession } from './session.js'
import { setReadTimeout } from './timeout.js'

/** Options of {@link Reconnecting.request}. */
export interface ReconnectingRequestOptions extends RequestOptions {
  /** Doing it twice is the same as doing it once: it may wait for the next session, and be asked again there. */
  readonly idempotent?: boolean
}

/** Options of {@link reconnecting}. */
export type ReconnectingOptions<S, C> = RpcOptions<S, C> & {
  /** Told of every new session, so that the application can repeat its requests and open its streams there. */
  readonly onPeer?: (peer: Peer<C>) => void
}

/**
 * The peer on the session that there is now. Between sessions nothing is kept, except for requests that are idempotent.
 */
export class Reconnecting<C> {
  readonly #clock: Clock
  readonly #closed: Promise<UsmpError>
  #peer: Peer<C> | undefined
  #end: UsmpError | undefined
  /** Requests that wait until there is a peer, or never will be one again. */
  readonly #waiting: WaitQueue

  /** Use {@link reconnecting}. */
  constructor(sessions: AsyncIterable<RpcSession>, options: ReconnectingOptions<Contract, C>) {
    this.#clock = options.clock ?? systemClock
    this.#waiting = new WaitQueue(completeLimits(options.limits).outgoingRequests, 'requests wait for a session')
    this.#closed = this.#run(sessions, options)
  }

  /** The peer of the session that there is now. */
  get peer(): Peer<C> | undefined {
    return this.#peer
  }

  /** Resolves when there will be no more sessions: CLOSED if they were called off, otherwise what ended them. */
  get closed(): Promise<UsmpError> {
    return this.#closed
  }

  /**
   * Asks the peer. One that is idempotent is asked again on the next session if this one ends before the answer, all within
   * `timeout` and `ttl`.
   * @throws like `request` of a {@link Peer}; UsmpError NOT_CONNECTED without a session, if it is not idempotent
   */
  async request<M extends RequestName<C>>(
    method: M,
    params: RequestParams<C, M>,
    given: ReconnectingRequestOptions = {},
  ): Promise<RequestResult<C, M>> {
    checkOptions('request', given, reconnectingRequestTable)
    const { idempotent = false, ...options } = given
    if (!idempotent) return this.#present.request(method, params, options)
    const { timeout = DEFAULT_TIMEOUT, ttl, signal } = options
    const deadline = this.#clock.now() + Math.min(timeout || Number.POSITIVE_INFINITY, ttl ?? Number.POSITIVE_INFINITY)
    for (;;) {
      const peer = await this.#nextPeer(method, deadline, signal)
      const left = Math.max(1, deadline - this.#clock.now())
      try {
        return await peer.request(method, params, {
          timeout: Number.isFinite(left) ? left : 0,
          signal,
          ttl: ttl === undefined ? undefined : left,
        })
      } catch (error) {
        if (error !== peer.ended) throw error
      }
    }
  }

  /** @throws like `notify` of a {@link Peer}; UsmpError NOT_CONNECTED without a session */
  async notify<M extends NotificationName<C>>(
    method: M,
    params: NotificationParams<C, M>,
    options: Abortable = {},
  ): Promise<void> {
    return this.#present.notify(method, params, options)
  }

  /** Like `tryNotify` of a {@link Peer}; without a session it is dropped, too. */
  tryNotify<M extends NotificationName<C>>(method: M, params: NotificationParams<C, M>): boolean {
    return this.#peer?.tryNotify(method, params) ?? false
  }

  /** Like `stream` of a {@link Peer}: it ends with its session. NOT_CONNECTED without one. */
  async *stream<M extends StreamName<C>>(
    method: M,
    params: StreamParams<C, M>,
    options: StreamOptions = {},
  ): AsyncGenerator<StreamItem<C, M>, void, undefined> {
    yield* this.#present.stream(method, params, options)
  }

  get #present(): Peer<C> {
    if (this.#peer) return this.#peer
    throw this.#end ?? new UsmpError('NOT_CONNECTED', 'between two sessions')
  }

  async #run(sessions: AsyncIterable<RpcSession>, options: ReconnectingOptions<Contract, C>): Promise<UsmpError> {
    const { onPeer, ...rest } = options
    let end = new UsmpError('CLOSED')
    try {
      for await (const session of sessions) {
        const peer = rpc<Contract, C & Contract>(session, rest as never) as Peer<C>
        this.#peer = peer
        this.#waiting.resolveAll()
        // What it throws must not end the sessions.
        queueMicrotask(() => onPeer?.(peer))
        await peer.closed
        this.#peer = undefined
      }
    } catch (error) {
      end = asUsmpError(error, 'TRANSPORT_FAILED')
    }
    this.#peer = undefined
    this.#end = end
    this.#waiting.resolveAll()
    return end
  }

  async #nextPeer(method: string, deadline: number, signal: AbortSignal | undefined): Promise<Peer<C>> {
    while (!this.#peer || this.#peer.ended) {
      if (this.#end) throw this.#end
      throwIfAborted(signal)
      if (this.#clock.now() >= deadline) throw new UsmpError('REQUEST_TIMEOUT', `${method}, no session in time`)
      await this.#change(deadline, signal)
    }
    return this.#peer
  }

  /**
   * Waits for a peer, the end of all sessions, the deadline or the signal, whichever comes first.
   * @throws UsmpError QUEUE_FULL
   */
  async #change(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const left = Math.ceil(deadline - this.#clock.now())
    const over = new AbortController()
    const stop = () => over.abort()
    const stopTimer = setReadTimeout(this.#clock, left, stop)
    const forgetSignal = onAbort(signal, stop)
    try {
      await this.#waiting.wait(over.signal)
    } catch (error) {
      if (!over.signal.aborted) throw error
    } finally {
      stopTimer()
      forgetSignal()
    }
  }
}

/**
 * Speaks JSON-RPC over sessions one after another, as `sessions()` of @usmp/node or @usmp/browser makes them.
 * @param sessions is consumed; end it by its own signal
 * @throws UsmpError INVALID_ARGUMENT like {@link rpc}
 */
export function reconnecting<S extends Contract = EmptyContract, C extends Contract = EmptyContract>(
  sessions: AsyncIterable<RpcSession>,
  options: ReconnectingOptions<S, C>,
): Reconnecting<C> {
  checkOptions('reconnecting', options, reconnectingTable(options?.serves))
  assertServed(options)
  return new Reconnecting<C>(sessions, options as never)
}
