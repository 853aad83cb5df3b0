import { throwIfAborted } from './abort.js'
import { toHex } from './bytes.js'
import { type Clock, systemClock } from './clock.js'
import { CLOSED_HERE } from './close.js'
import { Connection } from './connection.js'
import type { ClientOptions, ServerOptions, TransportKind } from './connection-options.js'
import type { CipherSuite, WireVersion } from './constants.js'
import { formatDeviceId } from './device-id.js'
import { type ErrorCode, UsmpError } from './errors.js'
import { abortableTable, acceptTable, checkOptions, connectTable } from './options.js'
import type { Authorize, UnprovenAttempt } from './psk-lookup.js'
import { type DriverEvent, type DriverOptions, SessionDriver } from './session-driver.js'
import { abortTransport, type Transport } from './transport.js'
import { WaitQueue } from './wait-queue.js'

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
  readonly authorize: Authorize
  /**
   * Told when a device for which `authorize` answered null has sent its proof; once for each `accept`. The device is refused
   * in any case, and the wire does not tell it. Called after what the proof led to, so that its time does not tell either.
   * It must not throw: as of a listener of an event, nobody catches that here. `listen` of `@usmp/node` makes a `warning` of it.
   */
  readonly onUnproven?: (attempt: UnprovenAttempt) => void
}

/** The peer, as it has proven itself. As text, which takes a fifth of the memory of bytes. */
interface Identity {
  readonly deviceId: string
  readonly sessionId: string
  readonly suite: CipherSuite
  readonly wireVersion: WireVersion
}

/** In place of options that were left out. */
const NO_OPTIONS: Abortable = {}

/**
 * An established session, as an application uses it.
 *
 * `Session.connect` or `Session.accept` performs the handshake and gives a session. Then one consumer reads (`receive`,
 * `for await` or `readable`), and any number of callers send. `close` ends it, and so does the peer, the transport or a
 * limit; `closed` and `signal` tell why. Everything that waits rejects with that reason.
 *
 * The session owns what the application sees: the identity of the peer, the calls of `ping` and `rekey` that wait, the web
 * streams and the signal. Its {@link SessionDriver} owns the connection and its transport, and all messages. A session must
 * never be handed out before its handshake is done, nor deliver anything after its end.
 *
 * Events: `extension` (an {@link ExtensionEvent}), for packet types that were registered.
 */
export class Session extends EventTarget implements AsyncIterable<Uint8Array> {
  readonly #driver: SessionDriver
  /** Made by the first call: most sessions need none. */
  #pings: WaitQueue<number> | undefined
  #rekeys: WaitQueue | undefined
  #identity: Identity | undefined
  /** Made when somebody asks for it. */
  #ended: AbortController | undefined
  #readable: ReadableStream<Uint8Array> | undefined
  #writable: WritableStream<Uint8Array | string> | undefined

  private constructor(connection: Connection, transport: Transport, options: DriverOptions) {
    super()
    this.#driver = new SessionDriver(connection, transport, options, (event) => this.#onEvent(event))
  }

  /**
   * Performs the client's handshake over a transport.
   * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK; of the handshake or transport; ABORTED
   */
  static async connect(transport: Transport, options: ConnectOptions): Promise<Session> {
    const connection = abortOnThrow(transport, () => {
      checkOptions('Session.connect', options, connectTable)
      const { clock = systemClock, signal, ...rest } = options
      throwIfAborted(signal)
      return Connection.client({ ...rest, kind: transport.kind }, clock.now())
    })
    return new Session(connection, transport, options).#start(options.signal)
  }

  /**
   * Performs the server's handshake over a transport.
   * @throws UsmpError INVALID_ARGUMENT; of the handshake or transport; ABORTED; PSK_LOOKUP_FAILED if `authorize` failed
   */
  static async accept(transport: Transport, options: AcceptOptions): Promise<Session> {
    const connection = abortOnThrow(transport, () => {
      checkOptions('Session.accept', options, acceptTable)
      const { clock = systemClock, signal, authorize, onUnproven, ...rest } = options
      throwIfAborted(signal)
      return Connection.server({ ...rest, kind: transport.kind }, clock.now())
    })
    return new Session(connection, transport, options).#start(options.signal)
  }

  async #start(signal: AbortSignal | undefined): Promise<Session> {
    await this.#driver.start(signal)
    return this
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
    return this.#driver.transport.address
  }

  /** What carries the session: a stream such as TCP, datagrams, messages such as those of a WebSocket, or a serial line. */
  get transportKind(): TransportKind {
    return this.#driver.transport.kind
  }

  /**
   * When an authentic frame of the peer came last, ms of the session's clock; it stays after the end. While messages pile up that nobody
   * receives, nothing is read, and the time at which reading goes on counts.
   */
  get lastReceived(): number {
    return this.#driver.lastReceived!
  }

  /** The longest message that {@link send} takes, bytes: 1808. */
  get maxMessage(): number {
    return this.#driver.maxMessage
  }

  /** Aborts when the session has ended; its `reason` is the {@link UsmpError}, CLOSED for a good end. */
  get signal(): AbortSignal {
    if (!this.#ended) {
      this.#ended = new AbortController()
      const { reason } = this.#driver
      if (reason) this.#ended.abort(reason)
    }
    return this.#ended.signal
  }

  /** Resolves with the reason of the end, CLOSED for a good one; never rejects. */
  get closed(): Promise<UsmpError> {
    return this.#driver.closed
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
    return this.#driver.dropped
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
    return this.#driver.send(message, signal)
  }

  /**
   * Sends a message if the transport takes it right now, for data that may be dropped. Nothing that a peer or the network
   * does makes it throw, so that a timer may call it.
   * @returns false if it was dropped, because the transport is full or the session has ended
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  trySend(message: Uint8Array | string): boolean {
    return this.#driver.trySend(message)
  }

  /**
   * Sends one frame of a registered extension type, 0 to 452 bytes. Like {@link trySend} it may be called by a timer.
   * @returns false if it was dropped, because the session has ended, or 64 messages wait (on datagrams)
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  sendExtension(type: number, data: Uint8Array): boolean {
    return this.#driver.sendExtension(type, data)
  }

  // ─── receiving ───

  /**
   * The next message, or undefined after a good end. One call at a time.
   * @throws UsmpError the reason of any other end; ABORTED
   */
  receive(options: Abortable = NO_OPTIONS): Promise<Uint8Array | undefined> {
    if (options !== NO_OPTIONS) return this.#receiveUntil(options)
    return this.#driver.take(undefined)
  }

  async #receiveUntil(options: Abortable): Promise<Uint8Array | undefined> {
    const signal = signalOf('receive', options)
    return this.#driver.take(signal)
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
    this.#driver.ping()
    this.#pings ??= new WaitQueue()
    return this.#pings.wait(signal)
  }

  /**
   * Changes the session keys; resolves when the peer has used the new ones. Towards published peers only while nothing is
   * under way, as they lose what crosses it.
   * @throws UsmpError INVALID_ARGUMENT while one is under way, for more than 16 in a burst and one in 4 s, or on wire version
   * 1; ABORTED (the change goes on); the reason of the end if the session has ended
   */
  async rekey(options: Abortable = NO_OPTIONS): Promise<void> {
    const signal = signalOf('rekey', options)
    this.#driver.rekey()
    this.#rekeys ??= new WaitQueue()
    return this.#rekeys.wait(signal)
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
  close(reason: UsmpError = CLOSED_HERE): Promise<void> {
    return this.#driver.close(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #onEvent(event: DriverEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#identity = {
          deviceId: formatDeviceId(event.deviceId),
          sessionId: toHex(event.sessionId),
          suite: event.suite,
          wireVersion: event.wireVersion,
        }
        return
      case 'extension':
        this.dispatchEvent(new ExtensionEvent(event.type, event.data))
        return
      case 'pong':
        return this.#pings?.resolveAll(event.roundTrip)
      case 'rekeyed':
        return this.#rekeys?.resolveAll()
      case 'closed':
        this.#pings?.rejectAll(event.reason)
        this.#rekeys?.rejectAll(event.reason)
        this.#ended?.abort(event.reason)
        return
      default:
        event satisfies never
    }
  }

  get #established(): Identity {
    if (!this.#identity) throw new UsmpError('NOT_CONNECTED')
    return this.#identity
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

/** A call that throws before there is a session must not leave its transport open. */
function abortOnThrow<T>(transport: Transport, begin: () => T): T {
  try {
    return begin()
  } catch (error) {
    void abortTransport(transport)
    throw error
  }
}

/** @throws UsmpError INVALID_ARGUMENT; ABORTED if it has aborted */
function signalOf(caller: string, options: Abortable): AbortSignal | undefined {
  if (options !== NO_OPTIONS) checkOptions(caller, options, abortableTable)
  throwIfAborted(options.signal)
  return options.signal
}
