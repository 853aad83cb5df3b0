import { abortError, onAbort } from './abort.js'
import { type Clock, systemClock } from './clock.js'
import { closeTimeout, cutShort } from './close.js'
import type { Connection } from './connection.js'
import type { ConnectionEvent } from './connection-events.js'
import { IDLE_TIMEOUT, type WireVersion } from './constants.js'
import { type DeadlineOwner, DeadlineTimer } from './deadline-timer.js'
import { formatDeviceId } from './device-id.js'
import { asUsmpError, type ErrorCode, UsmpError } from './errors.js'
import { assertMessage } from './fragment.js'
import type { UnprovenDevice } from './handshake/handshake.js'
import { type Authorize, lookUpPsk, type UnprovenAttempt } from './psk-lookup.js'
import { ReceiveQueue } from './receive-queue.js'
import { costOf, encode, type SendOutlet, SendQueue } from './send-queue.js'
import { abortTransport, closeTransport, type Transport, type TransportSink } from './transport.js'
import { WaitQueue } from './wait-queue.js'

/** Frames of one tick are handed to the transport together, or as soon as they reach this many bytes. */
const FLUSH_BYTES = 64 * 1024
/** A transport that takes nothing ends the session after this time, ms, though the peer shows that it lives. */
const MAX_BLOCKED = 600_000

/** What a driver tells its session; it deals with the other events of the connection itself. */
export type DriverEvent = Exclude<ConnectionEvent, { kind: 'hello' | 'message' | 'unproven' }>

/** Options of a session that its driver needs. */
export interface DriverOptions {
  /** Default: the clock of the platform. */
  readonly clock?: Clock
  /** ms; default 60000; 0 for never. */
  readonly idleTimeout?: number
  /** Of a server. */
  readonly authorize?: Authorize
  readonly onUnproven?: (attempt: UnprovenAttempt) => void
}

/**
 * Moves bytes between a connection, which never reads a clock or a socket, and its transport.
 *
 * Its session calls `start` once, then `send`, `take`, `ping` and so on, and `close`. The transport calls the methods of
 * {@link TransportSink}. The clock calls back for the one timer, for the flush at the end of a tick, and after a yield. Each
 * of these inputs ends in `#drive`, which drains the connection: bytes, then the deadline, then the events. The last event
 * is `closed`, told once.
 *
 * The driver owns the transport, the timer, the planned flush, how long the transport has been full, whether reading is
 * paused, the close and the end. Its queues own the messages. After the end nothing is written, and no timer is left but
 * the one that bounds the teardown. A fault of the transport must never throw into the code that called the driver.
 */
export class SessionDriver implements TransportSink, SendOutlet, DeadlineOwner {
  readonly #connection: Connection
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #onEvent: (event: DriverEvent) => void
  readonly #blockedTimeout: number
  readonly #timer: DeadlineTimer
  readonly #sends: SendQueue
  readonly #received = new ReceiveQueue()
  /** Until the handshake is done: a session may last for weeks. */
  #connected: WaitQueue | undefined = new WaitQueue()
  #authorize: Authorize | undefined
  #onUnproven: DriverOptions['onUnproven']
  /** What was wrong with the last look-up of a key. On the wire that is an unknown device; the application hears the truth. */
  #lookupFault: UsmpError | undefined
  /** Since when the transport wants no more bytes; undefined while it takes them. */
  #blockedSince: number | undefined
  #paused = false
  #flushPlanned = false
  #plannedBytes = 0
  /** Since `close`: what the end will be called, and when it comes at the latest. */
  #closing: { readonly reason: UsmpError; by: number } | undefined
  /** Why the session has ended. */
  #reason: UsmpError | undefined
  #teardown: Promise<void> | undefined
  readonly #closed: Promise<UsmpError>
  #resolveClosed!: (reason: UsmpError) => void

  /** @param onEvent told each event of the session */
  constructor(
    connection: Connection,
    transport: Transport,
    { clock = systemClock, idleTimeout = IDLE_TIMEOUT, authorize, onUnproven }: DriverOptions,
    onEvent: (event: DriverEvent) => void,
  ) {
    this.#connection = connection
    this.#transport = transport
    this.#clock = clock
    this.#authorize = authorize
    this.#onUnproven = onUnproven
    this.#onEvent = onEvent
    // A slow line may need longer than that for one full buffer, and delays no other session.
    this.#blockedTimeout = idleTimeout > 0 && transport.kind !== 'serial' ? idleTimeout : Number.POSITIVE_INFINITY
    this.#timer = new DeadlineTimer(clock, this)
    this.#sends = new SendQueue(this, clock)
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  get transport(): Transport {
    return this.#transport
  }

  get maxMessage(): number {
    return this.#connection.maxMessage
  }

  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#connection.dropped
  }

  /** When an authentic frame of the peer came last, ms of the clock; undefined before the session. */
  get lastReceived(): number | undefined {
    return this.#connection.lastReceived
  }

  /** Why the session has ended; undefined before that. */
  get reason(): UsmpError | undefined {
    return this.#reason
  }

  /** Resolves with the reason of the end; never rejects. */
  get closed(): Promise<UsmpError> {
    return this.#closed
  }

  // ─── what a session calls ───

  /**
   * Opens the transport and performs the handshake.
   * @param signal one that has not aborted; it ends the connection until the handshake is done
   * @throws UsmpError of the handshake or transport; ABORTED
   */
  start(signal: AbortSignal | undefined): Promise<void> {
    const connected = this.#connected!.wait(undefined, undefined)
    // Not as a caller that leaves at once: what is known of the peer counts more than the abort, such as a wrong proof.
    const forget = onAbort(signal, () => {
      // The session may have begun in this very tick: then the signal is about nothing any more.
      if (!this.#connected) return
      this.#connection.close(abortError(signal))
      this.#drive()
    })
    connected.then(forget, forget)
    this.#useTransport((transport) => transport.open(this))
    this.#drive()
    return connected
  }

  /**
   * Sends a message, or lets it wait.
   * @returns undefined if it was handed over; otherwise a promise that settles when it was, or never will be
   * @throws UsmpError like `send` of a session
   */
  send(message: Uint8Array | string, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#endReason) throw this.#endReason
    return this.#sends.send(message, signal)
  }

  /** @returns false if it was dropped; throws like `trySend` of a session */
  trySend(message: Uint8Array | string): boolean {
    const bytes = encode(message)
    assertMessage(bytes, this.maxMessage)
    return this.#unlessEnded(() => this.#sends.trySend(bytes))
  }

  /** @returns false if it was dropped; throws like `sendExtension` of a session */
  sendExtension(type: number, data: Uint8Array): boolean {
    return this.#unlessEnded(() => {
      this.#planFlush()
      this.#connection.sendExtension(type, data, this.#clock.now())
      return true
    })
  }

  /** @throws UsmpError the reason of the end */
  ping(): void {
    this.#planFlush()
    this.#connection.ping(this.#clock.now())
  }

  /** @throws UsmpError like `rekey` of a session */
  rekey(): void {
    this.#planFlush()
    this.#connection.rekey(this.#clock.now())
  }

  /** The next message; undefined after a good end. Rejects like `receive` of a session. */
  take(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const message = this.#received.take()
    if (!message) return this.#received.wait(signal)
    if (this.#paused && this.#received.hasRoom) this.#resume()
    return Promise.resolve(message)
  }

  /** Ends the session as its `close` says; resolves when the transport has ended. Never rejects. */
  async close(reason: UsmpError): Promise<void> {
    this.#beginClose(reason)
    await this.#closed
    await this.#teardown
  }

  // ─── what the transport calls ───

  receive(bytes: Uint8Array): void {
    this.#connection.receive(bytes, this.#clock.now())
    this.#drive()
    this.#sends.flush()
  }

  drain(): void {
    this.#setBlocked(false)
    this.#sends.flush()
  }

  end(cause?: unknown): void {
    this.#connection.receiveEnd(cause)
    this.#drive()
  }

  // ─── what the send queue calls ───

  /** Whether the transport, or the connection itself (on datagrams), wants no more messages for now. */
  get full(): boolean {
    return this.#blockedSince !== undefined || this.#connection.full
  }

  sendNow(message: Uint8Array): void {
    this.#planFlush()
    this.#connection.send(message, this.#clock.now())
    this.#plannedBytes += costOf(message)
    if (this.#plannedBytes >= FLUSH_BYTES) this.#drive()
  }

  /** Since `close`: the BYE, once everything that `send` accepted has left. */
  onEmpty(): void {
    if (!this.#closing) return
    this.#planFlush()
    this.#connection.close(this.#closing.reason, this.#closing.by)
  }

  // ─── driving the connection ───

  /** Drains the connection: bytes, deadline, events, in this order. */
  #drive(): void {
    this.#flush()
    this.#armTimer()
    for (let event = this.#connection.pollEvent(); event; event = this.#connection.pollEvent()) this.#dispatch(event)
    // Not after the end: a transport that closes has to read up to the end of the peer.
    if (!this.#paused && !this.#teardown && !this.#closing && this.#received.full) this.#pause()
  }

  #flush(): void {
    this.#plannedBytes = 0
    const frame = this.#connection.pollTransmit()
    if (!frame) return
    const frames = [frame]
    for (let next = this.#connection.pollTransmit(); next; next = this.#connection.pollTransmit()) frames.push(next)
    if (!this.#teardown) this.#setBlocked(!this.#useTransport((transport) => transport.write(frames)))
  }

  /** Called before something is done that may make frames, and may throw: they leave with the others of this tick. */
  #planFlush(): void {
    if (this.#flushPlanned) return
    this.#flushPlanned = true
    this.#clock.defer(() => {
      this.#flushPlanned = false
      this.#drive()
    })
  }

  #dispatch(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'hello':
        void this.#answerHello(formatDeviceId(event.deviceId), event.wireVersion)
        return
      case 'message':
        // Nor on streams and lines is anything received behind the own close; there it may take a while.
        if (!this.#closing) this.#received.push(event.data)
        return
      case 'unproven':
        return this.#reportUnproven(event)
      case 'closed':
        return this.#end(event.reason)
      case 'connected':
        this.#onEvent(event)
        this.#connected?.resolveAll()
        this.#connected = undefined
        this.#authorize = undefined
        this.#onUnproven = undefined
        return
      default:
        return this.#onEvent(event)
    }
  }

  async #answerHello(deviceId: string, wireVersion: WireVersion): Promise<void> {
    this.#lookupFault = undefined
    const { authorization, fault } = await lookUpPsk(this.#authorize!, deviceId, wireVersion)
    this.#lookupFault = fault
    try {
      if (fault?.code === 'PSK_LOOKUP_FAILED') this.#connection.failLookup(fault, this.#clock.now())
      else this.#connection.authorize(authorization, this.#clock.now())
    } catch (error) {
      this.#connection.close(asUsmpError(error, 'CRYPTO_FAILED'))
    }
    this.#drive()
  }

  /** A device whose entry is faulty is known: its owner hears what is wrong with the entry. */
  #reportUnproven({ deviceId, matches }: UnprovenDevice): void {
    const onUnproven = this.#onUnproven
    if (!onUnproven || this.#lookupFault) return
    this.#clock.defer(() => onUnproven({ deviceId: formatDeviceId(deviceId), matches }))
  }

  // ─── the transport ───

  /** Applications bring their own transports: one that throws, at once or later, has failed like one that says so. */
  #useTransport<T>(use: (transport: Transport) => T): T | undefined {
    const fail = (error: unknown) => {
      this.#planFlush()
      this.#connection.abort(asUsmpError(error, 'TRANSPORT_FAILED'))
    }
    try {
      const result = use(this.#transport)
      if (result instanceof Promise) result.catch(fail)
      return result
    } catch (error) {
      fail(error)
      return undefined
    }
  }

  #setBlocked(blocked: boolean): void {
    if (!blocked) this.#blockedSince = undefined
    else this.#blockedSince ??= this.#clock.now()
  }

  /**
   * When a transport that takes nothing ends the session: a peer that is silent as well is gone, and one that only says
   * that it lives may be slow for a while, or holds this end up on purpose.
   */
  get #blockedUntil(): number {
    const since = this.#blockedSince
    if (since === undefined) return Number.POSITIVE_INFINITY
    const silentSince = Math.max(since, this.#connection.lastReceived ?? since)
    return Math.min(silentSince + this.#blockedTimeout, since + Math.max(MAX_BLOCKED, this.#blockedTimeout))
  }

  #pause(): void {
    this.#paused = true
    // On datagrams acknowledgements must still come in; the connection leaves messages aside by itself.
    if (this.#transport.kind !== 'datagram') this.#useTransport((transport) => transport.pause())
    this.#connection.setReading(false, this.#clock.now())
    // From now on PINGs go out that the peer does not wait for.
    this.#armTimer()
  }

  #resume(): void {
    this.#paused = false
    this.#connection.setReading(true, this.#clock.now())
    this.#useTransport((transport) => transport.resume())
    this.#armTimer()
  }

  // ─── the deadline ───

  #armTimer(): void {
    const closeBy = this.#reason ? undefined : this.#closing?.by
    const deadline = Math.min(
      this.#connection.pollTimeout() ?? Number.POSITIVE_INFINITY,
      this.#blockedUntil,
      closeBy ?? Number.POSITIVE_INFINITY,
    )
    this.#timer.arm(deadline)
  }

  get endsAt(): number {
    return Math.min(this.#connection.endsAt ?? Number.POSITIVE_INFINITY, this.#blockedUntil)
  }

  onDeadline(): void {
    this.#connection.handleTimeout(this.#clock.now())
    if (this.#clock.now() >= this.#blockedUntil) {
      this.#connection.close(new UsmpError('IDLE_TIMEOUT', 'the peer takes nothing that is sent'))
    }
    if (this.#closing && this.#clock.now() >= this.#closing.by) {
      this.#connection.abort(cutShort(this.#closing.reason, 'the peer did not take what was sent before the close'))
    }
    this.#drive()
    this.#sends.flush()
  }

  // ─── the close and the end ───

  #beginClose(reason: UsmpError): void {
    if (this.#reason) return
    const by = this.#clock.now() + closeTimeout(reason)
    if (this.#closing) this.#closing.by = Math.min(this.#closing.by, by)
    else this.#closing = { reason, by }
    // A peer that waits until it is read may not take the rest of ours before that.
    if (this.#paused) this.#resume()
    if (this.#sends.size === 0) this.onEmpty()
    this.#drive()
  }

  #end(connectionReason: UsmpError): void {
    const reason = (connectionReason.code === 'UNKNOWN_DEVICE' && this.#lookupFault) || connectionReason
    this.#blockedSince = undefined
    this.#timer.disarm()
    const inTime = !this.#closing || this.#clock.now() < this.#closing.by
    // A look-up that failed is told to the peer, so its last frame has to leave as well.
    const isGood = (reason.family === 'end' && reason.code !== 'TRUNCATED') || reason.code === 'PSK_LOOKUP_FAILED'
    const by = this.#closing?.by ?? this.#clock.now() + closeTimeout(reason)
    this.#teardown =
      inTime && isGood
        ? closeTransport(this.#transport, reason, this.#clock, by)
        : abortTransport(this.#transport, reason)
    this.#received.end(reason.code === 'CLOSED' ? undefined : reason)
    this.#sends.end(reason)
    this.#connected?.rejectAll(reason)
    this.#reason = reason
    this.#onEvent({ kind: 'closed', reason })
    this.#resolveClosed(reason)
  }

  /** Why nothing can be sent any more; undefined while it can. */
  get #endReason(): UsmpError | undefined {
    return this.#reason ?? this.#closing?.reason
  }

  /** What `action` says; false if it failed as the session has ended, or has no room. */
  #unlessEnded(action: () => boolean): boolean {
    if (this.#endReason) return false
    try {
      return action()
    } catch (error) {
      if (this.#connection.closedReason || (error instanceof UsmpError && error.code === 'QUEUE_FULL')) return false
      throw error
    }
  }
}
