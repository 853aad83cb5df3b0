import { onAbort } from './abort.js'
import { copyBytes, toHex } from './bytes.js'
import { afterReading, type Clock, systemClock } from './clock.js'
import { CLOSED_HERE, closeTimeout, cutShort } from './close.js'
import { Connection } from './connection.js'
import type { ConnectionEvent } from './connection-events.js'
import {
  type Authorization,
  type ClientOptions,
  checkAuthorization,
  type ServerOptions,
  type TransportKind,
} from './connection-options.js'
import { type CipherSuite, HEADER_SIZE, SEAL_OVERHEAD, type WireVersion } from './constants.js'
import { formatDeviceId } from './device-id.js'
import { asUsmpError, type ErrorCode, UsmpError } from './errors.js'
import { assertMessage } from './fragment.js'
import type { UnprovenDevice } from './handshake/handshake.js'
import { IDLE_TIMEOUT } from './keepalive.js'
import { abortableTable, acceptTable, checkOptions, connectTable } from './options.js'
import { PSK_STAND_IN } from './psk.js'
import { ReceiveQueue } from './receive-queue.js'
import type { Transport, TransportSink } from './transport.js'

/** Frames of one tick are handed to the transport together, or as soon as they come to this many bytes. */
const FLUSH_BYTES = 64 * 1024
/** What every message costs besides its bytes, so that empty ones count too. */
const FRAME_OVERHEAD = HEADER_SIZE + SEAL_OVERHEAD
/** A transport that takes nothing ends the session after this time, ms, though the peer shows that it lives. */
const MAX_BLOCKED = 600_000
/** Most `send` calls that may wait for the transport at once. */
const MAX_WAITING_SENDS = 1024

/** An operation that can be called off. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

interface SessionOptions extends Abortable {
  readonly clock?: Clock
}

/** Options of {@link Session.connect}. */
export interface ConnectOptions extends Omit<ClientOptions, 'kind'>, SessionOptions {}

/** Options of {@link Session.accept}. */
export interface AcceptOptions extends Omit<ServerOptions, 'kind'>, SessionOptions {
  /** The key and suite of a device, or null if it is unknown. Called for each HELLO, before anything is proven. */
  readonly authorize: (deviceId: string, wireVersion: WireVersion) => MaybePromise<Authorization | null>
  /**
   * Told when a device for which `authorize` answered null has sent its proof; once for each `accept`. The device is refused
   * in any case, and the wire does not tell it. Called after what the proof led to, so that its time does not tell either.
   */
  readonly onUnproven?: (attempt: UnprovenAttempt) => void
}

/** A device without a key here that has sent its proof. */
export interface UnprovenAttempt {
  /** As `aa:bb:cc:dd:ee:ff`; what the device calls itself. */
  readonly deviceId: string
  /**
   * Whether the device has this key; works as long as the attempt is kept, also after its connection has ended. Its
   * holder can test guesses of the key without the device: keep it in the process of the server.
   * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array
   */
  matches(psk: Uint8Array): boolean
}

type MaybePromise<T> = T | Promise<T>

interface WaitingSend {
  readonly message: Uint8Array
  resolve(): void
  reject(error: unknown): void
}

interface Waiter<T> {
  resolve(value: T): void
  reject(error: unknown): void
}

/** Who is at the other end. As text, which takes a fifth of what the bytes take. */
interface Identity {
  readonly deviceId: string
  readonly sessionId: string
  readonly suite: CipherSuite
  readonly wireVersion: WireVersion
}

const utf8 = new TextEncoder()
/** In place of options that were left out. */
const NO_OPTIONS: Abortable = {}

/**
 * An established session, as an application uses it. One consumer reads (`receive`, `for await` or `readable`); any number
 * of callers send.
 *
 * Events: `extension` (an {@link ExtensionEvent}), for packet types that were registered.
 */
export class Session extends EventTarget implements AsyncIterable<Uint8Array> {
  readonly #connection: Connection
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #received = new ReceiveQueue()
  /** Made when somebody asks for it. */
  #ended: AbortController | undefined
  /** Why the session has ended. */
  #reason: UsmpError | undefined
  #identity: Identity | undefined
  #waitingSends: WaitingSend[] = []
  #pings: Waiter<number>[] = []
  #rekeys: Waiter<void>[] = []
  #onConnected: Waiter<Session> | undefined
  #authorize: AcceptOptions['authorize'] | undefined
  #onUnproven: AcceptOptions['onUnproven']
  /** What is wrong with what the application knows of a device. On the wire that is an unknown one; the application hears the truth. */
  #badEntry: UsmpError | undefined
  /** Since when the transport wants no more bytes; undefined while it takes them. */
  #blockedSince: number | undefined
  #paused = false
  #flushPlanned = false
  #plannedBytes = 0
  /** Sent since this session last let others have a turn. */
  #bytesSinceYield = 0
  #yielding = false
  #readable: ReadableStream<Uint8Array> | undefined
  #writable: WritableStream<Uint8Array | string> | undefined
  #stopTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** Since `close`: what the end will be called, and when it comes at the latest. */
  #closing: { readonly reason: UsmpError; by: number } | undefined
  #teardown: Promise<void> | undefined
  readonly #closed: Promise<UsmpError>
  #resolveClosed!: (reason: UsmpError) => void

  readonly #blockedTimeout: number

  private constructor(connection: Connection, transport: Transport, clock: Clock, idleTimeout: number = IDLE_TIMEOUT) {
    super()
    // A slow line may need longer than that for one full buffer, and holds up nobody else.
    this.#blockedTimeout = idleTimeout > 0 && transport.kind !== 'serial' ? idleTimeout : Number.POSITIVE_INFINITY
    this.#connection = connection
    this.#transport = transport
    this.#clock = clock
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  /**
   * Performs the client's handshake over a transport.
   * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK; of the handshake or transport; ABORTED
   */
  static async connect(transport: Transport, options: ConnectOptions): Promise<Session> {
    abortOnThrow(transport, () => checkOptions('Session.connect', options, connectTable))
    const { clock = systemClock, signal, ...rest } = options
    const connection = abortOnThrow(transport, () => {
      throwIfAborted(signal)
      return Connection.client({ ...rest, kind: transport.kind }, clock.now())
    })
    return new Session(connection, transport, clock, options.idleTimeout).#start(signal)
  }

  /**
   * Performs the server's handshake over a transport.
   * @throws UsmpError INVALID_ARGUMENT; of the handshake or transport; ABORTED; PSK_LOOKUP_FAILED if `authorize` failed
   */
  static async accept(transport: Transport, options: AcceptOptions): Promise<Session> {
    abortOnThrow(transport, () => checkOptions('Session.accept', options, acceptTable))
    const { clock = systemClock, signal, authorize, onUnproven, ...rest } = options
    const connection = abortOnThrow(transport, () => {
      throwIfAborted(signal)
      return Connection.server({ ...rest, kind: transport.kind }, clock.now())
    })
    const session = new Session(connection, transport, clock, options.idleTimeout)
    session.#authorize = authorize
    session.#onUnproven = onUnproven
    return session.#start(signal)
  }

  /** The device's id as `aa:bb:cc:dd:ee:ff`. */
  get deviceId(): string {
    return this.#established.deviceId
  }

  /** The 16 bytes of the session id in hex. */
  get sessionId(): string {
    return this.#established.sessionId
  }

  get suite(): CipherSuite {
    return this.#established.suite
  }

  /** 2, or 1 for old firmware that an unsafe option let in: its encryption is broken. */
  get wireVersion(): WireVersion {
    return this.#established.wireVersion
  }

  /** Where the peer is. */
  get address(): string {
    return this.#transport.address
  }

  /** What carries the session: a stream such as TCP, datagrams, messages such as those of a WebSocket, or a serial line. */
  get transportKind(): TransportKind {
    return this.#transport.kind
  }

  /** Aborts when the session has ended; its `reason` is the {@link UsmpError}, CLOSED for a good end. */
  get signal(): AbortSignal {
    if (!this.#ended) {
      this.#ended = new AbortController()
      if (this.#reason) this.#ended.abort(this.#reason)
    }
    return this.#ended.signal
  }

  /** Resolves with the reason of the end, CLOSED for a good one; never rejects. */
  get closed(): Promise<UsmpError> {
    return this.#closed
  }

  override addEventListener(
    type: 'extension',
    listener: (event: ExtensionEvent) => void,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  override addEventListener(...event: Parameters<EventTarget['addEventListener']>): void
  override addEventListener(...event: unknown[]): void {
    super.addEventListener(...(event as Parameters<EventTarget['addEventListener']>))
  }

  /** Frames that were dropped without harm (noise, forgeries, duplicates), by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#connection.dropped
  }

  // ─── sending ───

  /**
   * Sends a message of 0 to 1808 bytes, text as UTF-8. Resolves when it is handed to the transport, waits while the
   * transport is full; says nothing about the arrival. The message is sealed or copied before the call returns, so the
   * buffer may be filled again at once.
   * @throws UsmpError MESSAGE_TOO_LARGE; ABORTED before it was handed over; QUEUE_FULL if 1024 calls wait already; the
   * reason of the end if the session has ended
   */
  async send(message: Uint8Array | string, options: Abortable = NO_OPTIONS): Promise<void> {
    const signal = signalOf('send', options)
    throwIfAborted(signal)
    this.#throwIfEnded()
    const bytes = typeof message === 'string' ? utf8.encode(message) : message
    if (!this.#full && !this.#yielding && this.#waitingSends.length === 0) return this.#sendNow(bytes)
    if (this.#waitingSends.length >= MAX_WAITING_SENDS) {
      throw new UsmpError('QUEUE_FULL', `${MAX_WAITING_SENDS} messages wait for the transport`)
    }
    assertMessage(bytes, this.#connection.maxMessage)
    await this.#wait<void>(signal, (waiter) => {
      const entry = { message: bytes === message ? copyBytes(bytes) : bytes, ...waiter }
      this.#waitingSends.push(entry)
      return () => {
        remove(this.#waitingSends, entry)
        this.#closeWhenSent()
      }
    })
  }

  /**
   * Sends a message if the transport takes it right now, for data that may be dropped. Nothing that a peer or the network
   * does makes it throw, so that a timer may call it.
   * @returns false if it was dropped, because the transport is full or the session has ended
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  trySend(message: Uint8Array | string): boolean {
    const bytes = typeof message === 'string' ? utf8.encode(message) : message
    assertMessage(bytes, this.#connection.maxMessage)
    if (this.#endReason || this.#full || this.#waitingSends.length > 0) return false
    return this.#unlessEnded(() => this.#sendNow(bytes))
  }

  /**
   * Sends one frame of a registered extension type, 0 to 452 bytes. Like {@link trySend} it may be called by a timer.
   * @returns false if it was dropped, because the session has ended, or 64 messages wait (on datagrams)
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  sendExtension(type: number, data: Uint8Array): boolean {
    if (this.#endReason) return false
    return this.#unlessEnded(() => {
      this.#planFlush()
      this.#connection.sendExtension(type, data, this.#clock.now())
    })
  }

  // ─── receiving ───

  /**
   * The next message, or undefined after a good end. One call at a time.
   * @throws UsmpError the reason of any other end; ABORTED
   */
  receive(options: Abortable = NO_OPTIONS): Promise<Uint8Array | undefined> {
    if (options !== NO_OPTIONS) return this.#receiveUntil(options)
    return this.#take(undefined)
  }

  async #receiveUntil(options: Abortable): Promise<Uint8Array | undefined> {
    const signal = signalOf('receive', options)
    throwIfAborted(signal)
    return this.#take(signal)
  }

  #take(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const message = this.#received.take()
    if (!message) return this.#wait<Uint8Array | undefined>(signal, (waiter) => this.#received.wait(waiter))
    if (this.#paused && this.#received.hasRoom) this.#resume()
    return Promise.resolve(message)
  }

  /** Messages until BYE; throws the UsmpError of any other end. Leaving the loop early closes the session. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let message = await this.receive(); message; message = await this.receive()) yield message
    } finally {
      await this.close()
    }
  }

  /** The received messages as a web stream, one for the session, one message a chunk. Cancelling it closes the session. */
  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const message = await this.receive()
          if (message) controller.enqueue(message)
          else controller.close()
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    )
    return this.#readable
  }

  /** A web stream, one for the session, whose chunks are sent as messages. Closing or aborting it closes the session. */
  get writable(): WritableStream<Uint8Array | string> {
    this.#writable ??= new WritableStream<Uint8Array | string>({
      write: (message) => this.send(message),
      close: () => this.close(),
      abort: () => this.close(),
    })
    return this.#writable
  }

  // ─── the rest of the session ───

  /**
   * Measures the round trip in ms. At most 4 PINGs leave in a second; calls that overlap share one.
   * @throws UsmpError ABORTED; the reason of the end if the session ends before the answer
   */
  async ping(options: Abortable = NO_OPTIONS): Promise<number> {
    const signal = signalOf('ping', options)
    return this.#wait<number>(signal, (waiter) => {
      this.#planFlush()
      this.#connection.ping(this.#clock.now())
      this.#pings.push(waiter)
      return () => remove(this.#pings, waiter)
    })
  }

  /**
   * Changes the session keys; resolves when the peer has used the new ones. Towards published peers only while nothing is
   * under way, as they lose what crosses it.
   * @throws UsmpError INVALID_ARGUMENT while one is under way, for more than 16 in a burst and one in 4 s, or on wire version
   * 1; ABORTED (the change goes on); the reason of the end if the session has ended
   */
  async rekey(options: Abortable = NO_OPTIONS): Promise<void> {
    const signal = signalOf('rekey', options)
    return this.#wait<void>(signal, (waiter) => {
      this.#planFlush()
      this.#connection.rekey(this.#clock.now())
      this.#rekeys.push(waiter)
      return () => remove(this.#rekeys, waiter)
    })
  }

  /**
   * Ends the session: what `send` has accepted leaves first, then a BYE; nothing more is sent or received. Resolves when the
   * transport has ended, and never rejects. Calling it again, or after the end, is harmless.
   *
   * All of it takes 5 s at most, and 1 s for the reasons REPLACED, SHUTDOWN and DUPLICATE_DEVICE; then the transport is cut
   * off. If messages had not left by then (on datagrams: had not arrived) a session without another reason ends as
   * TRANSPORT_FAILED.
   * @param reason what the session's own side is told; default CLOSED
   */
  async close(reason: UsmpError = CLOSED_HERE): Promise<void> {
    this.#beginClose(reason)
    await this.#closed
    await this.#teardown
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ─── driving the connection ───

  /** What the transport calls. Not closures of `#start`: those would keep the signal of the handshake for as long as the session. */
  static readonly #Sink = class implements TransportSink {
    readonly #session: Session

    constructor(session: Session) {
      this.#session = session
    }

    receive(bytes: Uint8Array): void {
      const session = this.#session
      session.#connection.receive(bytes, session.#clock.now())
      session.#drive()
      session.#sendWaiting()
    }

    drain(): void {
      this.#session.#drain()
    }

    end(cause?: unknown): void {
      this.#session.#connection.receiveEnd(cause)
      this.#session.#drive()
    }
  }

  #start(signal: AbortSignal | undefined): Promise<Session> {
    return this.#wait<Session>(signal, (waiter) => {
      this.#onConnected = waiter
      this.#useTransport((transport) => transport.open(new Session.#Sink(this)))
      this.#drive()
      return () => {
        this.#connection.close(abortError(signal))
        this.#drive()
      }
    })
  }

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
    const silentSince = Math.max(since, this.#connection.lastHeard ?? since)
    return Math.min(silentSince + this.#blockedTimeout, since + Math.max(MAX_BLOCKED, this.#blockedTimeout))
  }

  #sendNow(message: Uint8Array): void {
    this.#planFlush()
    this.#connection.send(message, this.#clock.now())
    this.#plannedBytes += message.length + FRAME_OVERHEAD
    this.#bytesSinceYield += message.length + FRAME_OVERHEAD
    if (this.#plannedBytes >= FLUSH_BYTES) this.#drive()
    if (this.#bytesSinceYield >= FLUSH_BYTES) this.#yieldTurn()
  }

  /** A peer that takes everything at once must not keep the event loop from everybody else. */
  #yieldTurn(): void {
    this.#bytesSinceYield = 0
    this.#yielding = true
    this.#clock.yieldToEventLoop(() => {
      this.#yielding = false
      this.#sendWaiting()
    })
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

  /** Whether the transport, or the connection itself (on datagrams), wants no more messages for now. */
  get #full(): boolean {
    return this.#blockedSince !== undefined || this.#connection.full
  }

  #drain(): void {
    this.#setBlocked(false)
    this.#sendWaiting()
  }

  #sendWaiting(): void {
    while (!this.#full && !this.#yielding && this.#waitingSends.length > 0) {
      const { message, resolve, reject } = this.#waitingSends.shift()!
      try {
        this.#sendNow(message)
        resolve()
      } catch (error) {
        reject(error)
      }
    }
    this.#closeWhenSent()
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

  /** Keeps one timer. It may be early, never late: a deadline that moved away is looked at again when it fires. */
  #armTimer(): void {
    const closeBy = this.#reason ? undefined : this.#closing?.by
    const deadline = Math.min(
      this.#connection.pollTimeout() ?? Number.POSITIVE_INFINITY,
      this.#blockedUntil,
      closeBy ?? Number.POSITIVE_INFINITY,
    )
    if (deadline === Number.POSITIVE_INFINITY) return this.#disarmTimer()
    if (deadline >= this.#timerAt) return
    this.#disarmTimer()
    this.#timerAt = deadline
    const delay = Math.max(0, Math.ceil(deadline - this.#clock.now()))
    const timer = this.#clock.setTimer(() => this.#onTimer(deadline), delay)
    this.#stopTimer = () => this.#clock.clearTimer(timer)
  }

  /** Reads first, then judges: after a stall what the peer has sent waits behind the timer. */
  #onTimer(deadline: number): void {
    const end = Math.min(this.#connection.endsAt ?? Number.POSITIVE_INFINITY, this.#blockedUntil)
    if (this.#clock.now() < end) return this.#onTime()
    this.#stopTimer = afterReading(this.#clock, deadline, () => this.#onTime())
    // Nothing else is to set a timer meanwhile.
    this.#timerAt = Number.NEGATIVE_INFINITY
  }

  #onTime(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#connection.handleTimeout(this.#clock.now())
    if (this.#clock.now() >= this.#blockedUntil) {
      this.#connection.close(new UsmpError('IDLE_TIMEOUT', 'the peer takes nothing that is sent'))
    }
    if (this.#closing && this.#clock.now() >= this.#closing.by) {
      this.#connection.abort(cutShort(this.#closing.reason, 'the peer did not take what was sent before the close'))
    }
    this.#drive()
    this.#sendWaiting()
  }

  #disarmTimer(): void {
    if (this.#timerAt !== Number.POSITIVE_INFINITY) this.#stopTimer?.()
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#stopTimer = undefined
  }

  #dispatch(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'hello':
        void this.#answerHello(formatDeviceId(event.deviceId), event.wireVersion)
        return
      case 'connected':
        this.#identity = {
          deviceId: formatDeviceId(event.deviceId),
          sessionId: toHex(event.sessionId),
          suite: event.suite,
          wireVersion: event.wireVersion,
        }
        this.#onConnected?.resolve(this)
        // Not kept through a session that may last for weeks.
        this.#onConnected = undefined
        this.#authorize = undefined
        this.#onUnproven = undefined
        return
      case 'unproven':
        return this.#reportUnproven(event)
      case 'message':
        // Nor on streams and lines is anything received behind the own close; there it may take a while.
        if (!this.#closing) this.#received.push(event.data)
        return
      case 'extension':
        this.dispatchEvent(new ExtensionEvent(event.type, event.data))
        return
      case 'pong':
        return settle(this.#pings, (waiter) => waiter.resolve(event.roundTrip))
      case 'rekeyed':
        return settle(this.#rekeys, (waiter) => waiter.resolve())
      case 'closed':
        return this.#end(event.reason)
      default:
        event satisfies never
    }
  }

  async #answerHello(deviceId: string, wireVersion: WireVersion): Promise<void> {
    let answer: Authorization | null = null
    this.#badEntry = undefined
    try {
      answer = await this.#lookUp(deviceId, wireVersion)
      checkAuthorization(answer ?? { psk: PSK_STAND_IN })
    } catch (error) {
      answer = null
      this.#badEntry = asUsmpError(error, 'PSK_LOOKUP_FAILED')
    }
    try {
      if (this.#badEntry?.code === 'PSK_LOOKUP_FAILED') this.#connection.failLookup(this.#badEntry, this.#clock.now())
      else this.#connection.authorize(answer, this.#clock.now())
    } catch (error) {
      this.#connection.close(asUsmpError(error, 'CRYPTO_FAILED'))
    }
    this.#drive()
  }

  /** A device whose entry is faulty is known: its owner hears what is wrong with the entry. */
  #reportUnproven({ deviceId, matches }: UnprovenDevice): void {
    const onUnproven = this.#onUnproven
    if (!onUnproven || this.#badEntry) return
    this.#clock.defer(() => onUnproven({ deviceId: formatDeviceId(deviceId), matches }))
  }

  /** Whatever the application throws is its own fault, and not that of the device: also one of our errors. */
  async #lookUp(deviceId: string, wireVersion: WireVersion): Promise<Authorization | null> {
    try {
      return (await this.#authorize?.(deviceId, wireVersion)) ?? null
    } catch (error) {
      if (error instanceof UsmpError && error.code === 'PSK_LOOKUP_FAILED') throw error
      const detail = error instanceof Error ? error.message : undefined
      throw new UsmpError('PSK_LOOKUP_FAILED', detail, { cause: error })
    }
  }

  #end(connectionReason: UsmpError): void {
    const reason = connectionReason.code === 'UNKNOWN_DEVICE' && this.#badEntry ? this.#badEntry : connectionReason
    this.#blockedSince = undefined
    this.#disarmTimer()
    const inTime = !this.#closing || this.#clock.now() < this.#closing.by
    // A look-up that failed is told to the peer, so its last frame has to leave as well.
    const isGood = (reason.family === 'end' && reason.code !== 'TRUNCATED') || reason.code === 'PSK_LOOKUP_FAILED'
    const graceful = inTime && isGood
    this.#teardown = graceful ? this.#closeTransport(reason) : abortTransport(this.#transport, reason)
    this.#received.end(reason.code === 'CLOSED' ? undefined : reason)
    settle(this.#waitingSends, (waiter) => waiter.reject(reason))
    settle(this.#pings, (waiter) => waiter.reject(reason))
    settle(this.#rekeys, (waiter) => waiter.reject(reason))
    this.#onConnected?.reject(reason)
    this.#reason = reason
    this.#ended?.abort(reason)
    this.#resolveClosed(reason)
  }

  // ─── the close ───

  #beginClose(reason: UsmpError): void {
    if (this.#reason) return
    const by = this.#clock.now() + closeTimeout(reason)
    if (this.#closing) this.#closing.by = Math.min(this.#closing.by, by)
    else this.#closing = { reason, by }
    // A peer that waits until it is read may not take the rest of ours before that.
    if (this.#paused) this.#resume()
    this.#closeWhenSent()
    this.#drive()
  }

  /** Since `close`: the BYE, once everything that `send` accepted has left. */
  #closeWhenSent(): void {
    if (!this.#closing || this.#waitingSends.length > 0) return
    this.#planFlush()
    this.#connection.close(this.#closing.reason, this.#closing.by)
  }

  /** Lets the transport end in order; one that fails, or takes too long, is cut off. Never rejects. */
  #closeTransport(reason: UsmpError): Promise<void> {
    const by = this.#closing?.by ?? this.#clock.now() + closeTimeout(reason)
    return new Promise((resolve) => {
      const cutOff = () => resolve(abortTransport(this.#transport, reason))
      const timer = this.#clock.setTimer(cutOff, Math.max(0, Math.ceil(by - this.#clock.now())))
      attempt(() => this.#transport.close(reason))
        .then(resolve, cutOff)
        .finally(() => this.#clock.clearTimer(timer))
    })
  }

  /** Why nothing can be sent any more. */
  get #endReason(): UsmpError | undefined {
    return this.#reason ?? this.#closing?.reason
  }

  #throwIfEnded(): void {
    if (this.#endReason) throw this.#endReason
  }

  /** Whether `action` succeeded; false if it failed as the session has ended, or has no room. */
  #unlessEnded(action: () => void): boolean {
    try {
      action()
      return true
    } catch (error) {
      if (this.#connection.closedReason || (error instanceof UsmpError && error.code === 'QUEUE_FULL')) return false
      throw error
    }
  }

  get #established(): Identity {
    if (!this.#identity) throw new UsmpError('NOT_CONNECTED')
    return this.#identity
  }

  /** A promise that `register` can settle, and that `signal` can take back by what `register` returned. */
  #wait<T>(signal: AbortSignal | undefined, register: (waiter: Waiter<T>) => () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!signal) return void register({ resolve, reject })
      throwIfAborted(signal)
      let settled = false
      let forget = (): void => {}
      const done = () => {
        settled = true
        forget()
      }
      const cancel = register({
        resolve: (value) => {
          done()
          resolve(value)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      })
      if (settled) return
      forget = onAbort(signal, () => {
        cancel()
        reject(abortError(signal))
      })
    })
  }
}

/** An authentic frame of a registered extension type. */
export class ExtensionEvent extends Event {
  /** 0x0C–0xFE */
  readonly packetType: number
  readonly data: Uint8Array

  constructor(packetType: number, data: Uint8Array) {
    super('extension')
    this.packetType = packetType
    this.data = data
  }
}

/** What cannot become a session must not keep a transport that nobody looks after. */
function abortOnThrow<T>(transport: Transport, begin: () => T): T {
  try {
    return begin()
  } catch (error) {
    void abortTransport(transport)
    throw error
  }
}

/** Never rejects: it is over, whatever the transport thinks of it. */
function abortTransport(transport: Transport, reason?: UsmpError): Promise<void> {
  return attempt(() => transport.abort(reason)).catch(() => {})
}

/** Calls something of the application's; what it throws is a rejection. */
async function attempt<T>(call: () => T | Promise<T>): Promise<T> {
  return call()
}

/** @throws UsmpError INVALID_ARGUMENT */
function signalOf(caller: string, options: Abortable): AbortSignal | undefined {
  if (options !== NO_OPTIONS) checkOptions(caller, options, abortableTable)
  return options.signal
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

function abortError(signal: AbortSignal | undefined): UsmpError {
  return new UsmpError('ABORTED', undefined, { cause: signal?.reason })
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item)
  if (index >= 0) list.splice(index, 1)
}

/** Empties the list and then answers everybody who was in it. */
function settle<T>(list: T[], answer: (item: T) => void): void {
  for (const item of list.splice(0)) answer(item)
}
