import { assertBytes, copyBytes, copySecret, EMPTY, wipe } from './bytes.js'
import { encodeSerial, SerialDecoder } from './cobs.js'
import {
  CipherSuite,
  MAX_MESSAGE,
  MAX_PLAINTEXT,
  PacketType,
  packetTypeName,
  REKEY_SALT_SIZE,
  WIRE_VERSION,
  WIRE_VERSION_1,
  type WireVersion,
} from './constants.js'
import type { CryptoProvider, RandomSource } from './crypto.js'
import { nobleProvider } from './crypto-noble.js'
import type { DatagramOptions, PlaintextFrame, ReceivedFrame, ReliableDatagram } from './datagram.js'
import { FrameDecoder } from './deframer.js'
import { asUsmpError, type ErrorCode, UsmpError } from './errors.js'
import { assertMessage, Reassembler, splitMessage } from './fragment.js'
import { decodeFrame, encodeFrame, type Frame } from './frame.js'
import { type ClientConfig, type ClientState, startClient, stepClient, wipeClient } from './handshake/client.js'
import type { HandshakeFrame, HandshakeResult } from './handshake/result.js'
import {
  authorizeServer,
  type CookieGuard,
  type ServerConfig,
  type ServerState,
  serverStart,
  stepServer,
  wipeServer,
} from './handshake/server.js'
import { Budget, KeepAlive } from './keepalive.js'
import { describeErrorFrame } from './messages.js'
import { authorizationTable, checkOptions, clientTable, serverTable } from './options.js'
import { assertPsk, PSK_STAND_IN } from './psk.js'
import { isAuthentic, RecordLayer } from './record-layer.js'
import { isHandshakeType, isUtack } from './utack.js'

/**
 * How the bytes travel (specification, sections 6 and 7): `stream`, frames back to back on an ordered byte stream (TCP);
 * `message`, one frame each on an ordered message transport (WebSocket); `serial`, COBS packets on a line that keeps
 * order but may carry noise; `datagram`, one frame each, may be lost, repeated and reordered.
 */
export type TransportKind = 'stream' | 'message' | 'serial' | 'datagram'

/** Client: 5 s for each step. Server: 10 s for the whole handshake (specification, section 8). */
const CLIENT_STEP_TIMEOUT = 5_000
const SERVER_HANDSHAKE_TIMEOUT = 10_000
/** Types whose plaintext has a fixed size. */
const FIXED_SIZE_TYPES: readonly number[] = [PacketType.PING, PacketType.PONG, PacketType.BYE, PacketType.REKEY]
/** What a peer causes that does not hold the key. */
const WRONG_PROOFS: readonly ErrorCode[] = ['AUTH_FAILED', 'UNKNOWN_DEVICE', 'LOW_ORDER_POINT']
/** How long after a look-up that failed a HELLO is not taken, ms (specification, section 3.10). */
const LOOKUP_PAUSE = 1_000
/** Wrong proofs that end an attempt where one alone does not (specification, section 3.12). */
const MAX_WRONG_PROOFS = 5
/** The budget for rekeys of our own, ms, and what each costs: 16 at once, and one in 4 s (specification, section 5.2). */
const REKEY_BUDGET = 64_000
const REKEY_COST = 4_000
/** For a client whose server has said INTERNAL. */
const STORE_IS_AWAY = 'The server could not look up the key of this device; its log says why. Try again later.'
/** What a decoder accepts; shared by all connections. */
const ONLY_VERSION: Record<WireVersion, readonly number[]> = { 1: [WIRE_VERSION_1], 2: [WIRE_VERSION] }
const BOTH_VERSIONS: readonly number[] = [WIRE_VERSION, WIRE_VERSION_1]
/** Bytes of an ERROR frame's payload. */
const ERROR_SIZE = 3
const KEEPALIVE = 20_000
export const IDLE_TIMEOUT = 60_000
/** On datagrams, how long the answer to a PING is waited for before another one goes, ms: as long as a frame may take. */
const PING_TIMEOUT = 5_000
/** How long a close takes at most, ms: the rest leaves, then the BYE (specification, section 4.10). */
const CLOSE_TIMEOUT = 5_000
/** The same where the place is needed, or was never to be had. */
const SHORT_CLOSE_TIMEOUT = 1_000
const SHORT_CLOSES: readonly ErrorCode[] = ['REPLACED', 'SHUTDOWN', 'DUPLICATE_DEVICE']

/**
 * The good ends, of which every session has one: made once, as a stack trace costs more than the rest of an end, and says
 * nothing here.
 */
export const CLOSED_HERE = /* @__PURE__ */ new UsmpError('CLOSED', 'by this side')
const CLOSED_THERE = /* @__PURE__ */ new UsmpError('CLOSED', 'by the peer', {
  hint:
    'Nothing is wrong. If it comes again and again soon after connecting, another device has the same device id, and each ' +
    'takes the place of the other: the wire does not say why a session ends, the events of the server do.',
})

/** Times are from 0 to 2147483647 ms, almost 25 days: as far as timers of every platform go. */
interface CommonOptions {
  readonly kind: TransportKind
  readonly random: RandomSource
  /** Default: noble. */
  readonly provider?: CryptoProvider
  /** ms; client: for each step, default 5000; server: for the whole handshake, default 10000. 0 for never. */
  readonly handshakeTimeout?: number
  /** ms without sending, or without hearing, after which a PING goes out; 0 for never. Default: client 20000, server 0. */
  readonly keepalive?: number
  /**
   * ms without an authentic frame after which the session ends, IDLE_TIMEOUT; 0 for never. Default 60000. A session also
   * ends so when its transport has taken nothing for so long, except on a serial line, which may be slow.
   */
  readonly idleTimeout?: number
  /** Packet types 0x0C–0xFE that this application understands besides those of the specification. */
  readonly extensions?: readonly number[]
  /**
   * Speaks wire version 1 (client), or takes it too (server). Its encryption is broken: both directions share one key
   * stream. Only for reaching old firmware to upgrade it (specification, section 9).
   */
  readonly unsafeWireVersion1?: boolean
  /**
   * For kind `datagram`, the class of that name in `@usmp/core/datagram`: acknowledgements, repeats and order. It is handed
   * in so that pages, which have no datagrams, do not carry it.
   */
  readonly reliableDatagram?: typeof ReliableDatagram
  /** On datagrams only. */
  readonly datagram?: DatagramOptions
}

export interface ClientOptions extends CommonOptions {
  /** 6 bytes. */
  readonly deviceId: Uint8Array
  /** At least 16 bytes; copied, and the copy is wiped after the handshake. */
  readonly psk: Uint8Array
  /** Accept a key of low entropy. */
  readonly allowWeakPsk?: boolean
  /** The suite this end is configured for; both ends must agree. Default AES-256-GCM. */
  readonly suite?: CipherSuite
}

export interface ServerOptions extends CommonOptions {
  /** On datagrams: the cookie check. */
  readonly cookies?: CookieGuard
}

/** The application's answer to a `hello` event. */
export interface Authorization {
  /** At least 16 bytes; copied, and the copy is wiped after the handshake. */
  readonly psk: Uint8Array
  /** Accept a key of low entropy. */
  readonly allowWeakPsk?: boolean
  /** The suite this device is configured for. Default AES-256-GCM. */
  readonly suite?: CipherSuite
}

/** What {@link Connection.pollEvent} reports. */
export type ConnectionEvent =
  /** Server: a device asks to be let in; answer with {@link Connection.authorize}. Nothing is proven yet. */
  | { readonly kind: 'hello'; readonly deviceId: Uint8Array; readonly wireVersion: WireVersion }
  /** Both ends have proven themselves. */
  | {
      readonly kind: 'connected'
      readonly deviceId: Uint8Array
      readonly sessionId: Uint8Array
      readonly suite: CipherSuite
      readonly wireVersion: WireVersion
    }
  | { readonly kind: 'message'; readonly data: Uint8Array }
  | { readonly kind: 'extension'; readonly type: number; readonly data: Uint8Array }
  /** A PING of ours was answered; ms. */
  | { readonly kind: 'pong'; readonly roundTrip: number }
  /** The session goes on under new keys, and both ends have used them. */
  | { readonly kind: 'rekeyed' }
  /** The last event. CLOSED is the good end. */
  | { readonly kind: 'closed'; readonly reason: UsmpError }

interface ClientHandshake {
  readonly kind: 'client-handshake'
  readonly config: ClientConfig
  readonly suite: CipherSuite
  state: ClientState
}

interface ServerHandshake {
  readonly kind: 'server-handshake'
  readonly config: ServerConfig
  suite: CipherSuite
  psk: Uint8Array | undefined
  state: ServerState
  /** Where a wrong proof does not end the handshake: how many there were, and the last one. */
  wrongProofs: number
  wrongProof: UsmpError | undefined
  /** The same for a key that could not be looked up. */
  lookupFailure: UsmpError | undefined
  /** From when on a key is looked up again. */
  lookUpFrom: number
}

interface Established {
  readonly kind: 'established'
  readonly cipher: RecordLayer
  readonly keepAlive: KeepAlive
  readonly reassembler: Reassembler
  /** What rekeys of our own have left. */
  readonly rekeys: Budget
  /** On datagrams, once this side has asked for the end: what comes when everything sent has arrived. */
  closing?: UsmpError
  /** How long the end waits for that, ms, and until when. Nothing that arrives moves it. */
  closeTimeout: number
  closeBy: number
}

interface Closed {
  readonly kind: 'closed'
  readonly reason: UsmpError
}

type Phase = ClientHandshake | ServerHandshake | Established | Closed

/**
 * One connection of either role, without I/O: bytes and the time go in, and after any call the owner drains
 * `pollTransmit`, `pollTimeout` and `pollEvent`, in this order. Times are ms of any monotonic clock.
 */
export class Connection {
  readonly #kind: TransportKind
  readonly #random: RandomSource
  readonly #provider: CryptoProvider
  readonly #extensions: readonly number[] | undefined
  readonly #keepalive: number | undefined
  readonly #idleTimeout: number | undefined
  readonly #decoder: FrameDecoder
  /** For kind `serial`. */
  #serial: SerialDecoder | undefined
  /** Made for the first one. */
  #dropped: Map<ErrorCode, number> | undefined
  #phase: Phase
  #versions: readonly number[]
  #wireVersion: WireVersion = WIRE_VERSION
  readonly #handshakeTimeout: number
  #handshakeDeadline: number
  /** On datagrams: acknowledgements, repeats, order. */
  readonly #reliability: ReliableDatagram | undefined
  #transmits: Uint8Array[] = []
  #events: ConnectionEvent[] = []
  /** What an ERROR frame claimed; unauthenticated, only ever shown to a person. */
  #peerError: string | undefined

  private constructor(options: CommonOptions, phase: Phase, timeout: number, versions: readonly number[], now: number) {
    if (options.unsafeWireVersion1 && options.kind === 'datagram') {
      throw new UsmpError('INVALID_ARGUMENT', 'wire version 1 is not spoken on datagram transports')
    }
    this.#kind = options.kind
    this.#random = options.random
    this.#provider = options.provider ?? nobleProvider
    this.#extensions = options.extensions
    this.#keepalive = options.keepalive
    this.#idleTimeout = options.idleTimeout
    this.#phase = phase
    this.#versions = versions
    this.#decoder = new FrameDecoder(versions)
    this.#handshakeTimeout = (options.handshakeTimeout ?? timeout) || Number.POSITIVE_INFINITY
    this.#handshakeDeadline = now + this.#handshakeTimeout
    if (options.kind !== 'datagram') return
    if (!options.reliableDatagram) {
      throw new UsmpError(
        'INVALID_ARGUMENT',
        'datagrams need reliableDatagram: ReliableDatagram of @usmp/core/datagram',
      )
    }
    const jitter = checkedRandom(options.random)(1)[0]! / 256
    this.#reliability = new options.reliableDatagram(this.#provider, options.datagram ?? {}, jitter, (bytes) =>
      this.#transmits.push(bytes),
    )
  }

  /**
   * The initiating end; HELLO is ready to be polled.
   * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
   */
  static client(options: ClientOptions, now: number): Connection {
    checkOptions('Connection.client', options, clientTable)
    assertPsk(options.psk, options.allowWeakPsk)
    const provider = options.provider ?? nobleProvider
    const wireVersion = options.unsafeWireVersion1 ? WIRE_VERSION_1 : WIRE_VERSION
    const config: ClientConfig = {
      provider,
      wireVersion,
      deviceId: copyBytes(options.deviceId),
      psk: copySecret(options.psk),
      allowMultipleChallenges: !isReliable(options.kind),
    }
    const { state, send } = startClient(config, provider.generateKeyPair(checkedRandom(options.random)))
    const suite = options.suite ?? CipherSuite.AES_256_GCM
    const phase: ClientHandshake = { kind: 'client-handshake', config, suite, state }
    const connection = new Connection(options, phase, CLIENT_STEP_TIMEOUT, ONLY_VERSION[wireVersion], now)
    connection.#wireVersion = wireVersion
    connection.#sendHandshake(send, now)
    return connection
  }

  /**
   * The answering end.
   * @throws UsmpError INVALID_ARGUMENT
   */
  static server(options: ServerOptions, now: number): Connection {
    checkOptions('Connection.server', options, serverTable)
    const config: ServerConfig = {
      provider: options.provider ?? nobleProvider,
      random: checkedRandom(options.random),
      allowRestart: !isReliable(options.kind),
      ignoreDuplicates: options.kind === 'datagram',
      ...(options.cookies ? { cookies: options.cookies } : {}),
    }
    const versions = options.unsafeWireVersion1 ? BOTH_VERSIONS : ONLY_VERSION[WIRE_VERSION]
    const phase: ServerHandshake = {
      kind: 'server-handshake',
      config,
      suite: CipherSuite.AES_256_GCM,
      psk: undefined,
      state: serverStart,
      wrongProofs: 0,
      wrongProof: undefined,
      lookupFailure: undefined,
      lookUpFrom: now,
    }
    const connection = new Connection(options, phase, SERVER_HANDSHAKE_TIMEOUT, versions, now)
    // A line waits for its first HELLO without limit.
    if (!isReliable(options.kind)) connection.#handshakeDeadline = Number.POSITIVE_INFINITY
    return connection
  }

  /** Frames that were dropped without harm, by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#dropped ?? new Map()
  }

  /** Why the connection has ended; undefined while it has not. */
  get closedReason(): UsmpError | undefined {
    return this.#phase.kind === 'closed' ? this.#phase.reason : undefined
  }

  /** Whether messages can be sent. */
  get established(): boolean {
    return this.#phase.kind === 'established' && !this.#phase.closing
  }

  /** The longest message, bytes. */
  get maxMessage(): number {
    return MAX_MESSAGE
  }

  /** On datagrams: messages wait to be sent, because others are under way. More may be sent, up to a bound. */
  get full(): boolean {
    return this.#reliability !== undefined && this.#reliability.waiting > 0
  }

  // ─── what arrives ───

  /** Takes the next bytes of the stream or line, or one whole message or datagram. Never throws. */
  receive(bytes: Uint8Array, now: number): void {
    try {
      if (this.#kind === 'stream') {
        this.#decoder.feed(bytes)
        for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
          if (this.#phase.kind === 'closed') return
          this.#receiveFrame(frame, now)
        }
      } else if (this.#kind === 'serial') {
        this.#serial ??= new SerialDecoder()
        for (const packet of this.#serial.push(bytes)) this.#receivePacket(packet, now)
      } else if (this.#reliability && isUtack(bytes)) {
        this.#receiveUtack(this.#reliability, bytes, now)
      } else {
        this.#receivePacket(bytes, now)
      }
    } catch (error) {
      this.#handleFrameError(asUsmpError(error, 'INVALID_ARGUMENT'), false)
    }
  }

  /**
   * The transport has ended, in order (`cause` absent) or by a fault. Without a BYE before it this is never a good end
   * of a session.
   */
  receiveEnd(cause?: unknown): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'closed':
        return
      case 'client-handshake':
        this.#fail(isFrameFault(cause) ? cause : this.#refusedError(phase.state, cause))
        return
      default:
        if (phase.kind === 'established' && phase.closing) this.#fail(phase.closing)
        else if (cause !== undefined) this.#fail(asUsmpError(cause, 'TRANSPORT_FAILED'))
        else this.#fail(new UsmpError('TRUNCATED', this.#decoder.pending > 0 ? 'in the middle of a frame' : undefined))
    }
  }

  /** Does what the time asks for: handshake deadline, idle end, keepalive. Never throws. */
  handleTimeout(now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    if (phase.kind !== 'established') {
      if (now >= this.#handshakeDeadline) this.#fail(this.#timeoutError(phase))
      else this.#reliability?.handleTimeout(now)
      return
    }
    if (now >= phase.keepAlive.idleAt) this.#fail(new UsmpError('IDLE_TIMEOUT', this.#drops()))
    else this.#pingIfDue(phase, now)
    if (this.#reliability && this.#phase === phase) this.#handleReliabilityTimeout(phase, this.#reliability, now)
  }

  /** Says whether the transport is being read; while it is not, the peer's silence does not end the session. */
  setReading(reading: boolean, now: number): void {
    this.#reliability?.setReading(reading, now)
    if (this.#phase.kind === 'established') this.#phase.keepAlive.setReading(reading, now)
  }

  // ─── what the application wants ───

  /**
   * Server: answers a `hello` event. `null` for an unknown device: it is refused where a wrong key is, and looks the same.
   * @throws UsmpError WEAK_PSK, RANDOM_FAILED, INVALID_ARGUMENT for a suite that is none, or if no `hello` waits for an answer
   */
  authorize(answer: Authorization | null, now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    if (phase.kind !== 'server-handshake') throw new UsmpError('INVALID_ARGUMENT', 'only a server authorizes')
    const authorization = answer ?? { psk: PSK_STAND_IN }
    checkAuthorization(authorization)
    const { psk: given, suite = CipherSuite.AES_256_GCM } = authorization
    if (now >= this.#handshakeDeadline) return this.#fail(this.#timeoutError(phase))
    const psk = copySecret(given)
    const { state, send } = authorizeServer(phase.config, phase.state, psk, answer !== null)
    wipe(phase.psk)
    phase.psk = psk
    phase.lookupFailure = undefined
    phase.suite = suite
    phase.state = state
    this.#sendHandshake(send, now)
  }

  /**
   * Server: tells the peer, in place of an answer to a `hello` event, that the key could not be looked up. It may come again
   * when that is repaired; on datagrams and serial lines even within this handshake (specification, section 3.10).
   * @param reason PSK_LOOKUP_FAILED
   */
  failLookup(reason: UsmpError, now: number): void {
    const phase = this.#phase
    if (phase.kind !== 'server-handshake' || phase.state.kind !== 'awaiting-psk') return
    const payload = Uint8Array.of(reason.wireCode ?? 0, 0, 0)
    this.#transmit(encodeFrame({ type: PacketType.ERROR, seq: 0, payload, version: this.#wireVersion }))
    // Guesses that were made in this attempt are counted for this device: no other may begin in it.
    if (isReliable(this.#kind) || phase.wrongProof) return this.#fail(reason)
    phase.lookupFailure = reason
    phase.lookUpFrom = now + LOOKUP_PAUSE
    phase.state = serverStart
    // The same HELLO again is another attempt to find the key.
    this.#reliability?.restartHandshake()
  }

  /**
   * Seals a message of 0 to 1808 bytes into 1 to 4 frames. On datagrams it may first wait for its turn.
   * @throws UsmpError NOT_CONNECTED (or why the session ended), MESSAGE_TOO_LARGE, SEQ_EXHAUSTED, CRYPTO_FAILED; on
   * datagrams QUEUE_FULL, if 64 messages wait
   */
  send(message: Uint8Array, now: number): void {
    assertMessage(message)
    const phase = this.#establishedPhase()
    const fragments = splitMessage(message)
    if (this.#reliability) return this.#post(phase, this.#reliability, fragments, now)
    if (fragments.length > phase.cipher.remaining) this.#end(new UsmpError('SEQ_EXHAUSTED'))
    for (const { type, plaintext } of fragments) this.#sendSealed(phase, type, plaintext, now)
  }

  /**
   * Seals one frame of a registered extension type, 0 to 452 bytes.
   * @throws UsmpError NOT_CONNECTED (or why the session ended), INVALID_ARGUMENT, MESSAGE_TOO_LARGE, SEQ_EXHAUSTED,
   * CRYPTO_FAILED; on datagrams QUEUE_FULL, if 64 messages wait
   */
  sendExtension(type: number, data: Uint8Array, now: number): void {
    assertBytes('data', data)
    const phase = this.#establishedPhase()
    if (!this.#extensions?.includes(type)) {
      throw new UsmpError('INVALID_ARGUMENT', `packet type ${packetTypeName(type)} is not registered`)
    }
    if (data.length > MAX_PLAINTEXT) {
      throw new UsmpError('MESSAGE_TOO_LARGE', `${data.length} bytes, and an extension frame takes ${MAX_PLAINTEXT}`)
    }
    if (this.#reliability) this.#post(phase, this.#reliability, [{ type, plaintext: data }], now)
    else this.#sendSealed(phase, type, data, now)
  }

  /**
   * Asks for a round trip: a `pong` event follows. At most 4 PINGs leave in a second, and requests while one is
   * under way share its answer. On datagrams, where a peer may leave one unanswered, another one goes every 5 s until
   * then, and the round trip is that of the last one.
   * @throws UsmpError NOT_CONNECTED (or why the session ended)
   */
  ping(now: number): void {
    const phase = this.#establishedPhase()
    phase.keepAlive.requestPing()
    this.#pingIfDue(phase, now)
    // Throws if that was the end.
    this.#establishedPhase()
  }

  /**
   * Changes the keys of the session; a `rekeyed` event follows when the peer has used them. Towards published peers do
   * this only while nothing is under way: they lose what crosses it (specification, section 5.7).
   * @throws UsmpError NOT_CONNECTED (or why the session ended), INVALID_ARGUMENT while one is under way, for more than 16
   * in a burst and one in 4 s, or on wire version 1; SEQ_EXHAUSTED, RANDOM_FAILED, CRYPTO_FAILED
   */
  rekey(now: number): void {
    this.#establishedPhase()
    if (this.#wireVersion === WIRE_VERSION_1) throw new UsmpError('INVALID_ARGUMENT', 'wire version 1 has no REKEY')
    // First, as it is code of the caller, which may begin a rekey itself or end the session.
    const salt = checkedRandom(this.#random)(REKEY_SALT_SIZE)
    const phase = this.#establishedPhase()
    if (phase.cipher.rekeying || this.#reliability?.rekeyWaiting) {
      throw new UsmpError('INVALID_ARGUMENT', 'a rekey is under way already')
    }
    if (!phase.rekeys.spend(REKEY_COST, now)) {
      throw new UsmpError('INVALID_ARGUMENT', 'rekeys come too fast: at most 16 in a burst, and one in 4 s')
    }
    if (this.#reliability) {
      this.#reliability.postUrgent({ type: PacketType.REKEY, plaintext: salt })
      this.#sendReady(phase, this.#reliability, now)
    } else this.#closeOnThrow(() => this.#transmit(phase.cipher.startRekey(salt)))
    // The PONG is the frame under the new keys that completes the change. It may have to wait for the limit of PINGs.
    phase.keepAlive.requestNewPing()
    this.#pingIfDue(phase, now)
  }

  /**
   * Ends the session with a BYE, or the handshake without. On datagrams the end comes when everything that was sent, and
   * then the BYE, has arrived, or when it has taken {@link closeTimeout}. Never throws.
   * @param by a time at which it ends at the latest
   */
  close(reason: UsmpError = CLOSED_HERE, by: number = Number.POSITIVE_INFINITY): void {
    const phase = this.#phase
    if (
      this.#reliability &&
      phase.kind === 'established' &&
      (phase.closing || phase.cipher.remaining > this.#reliability.waitingFrames)
    ) {
      if (!phase.closing) this.#reliability.postBye()
      phase.closing ??= reason
      phase.closeTimeout = Math.min(phase.closeTimeout, closeTimeout(reason))
      phase.closeBy = Math.min(phase.closeBy, by)
      return
    }
    try {
      if (phase.kind === 'established') this.#transmit(phase.cipher.seal(PacketType.BYE, EMPTY))
    } catch {
      // No number left, or the provider failed: it ends all the same, without the courtesy.
    }
    this.#fail(reason)
  }

  /** Ends the connection at once, without a BYE. Never throws. */
  abort(reason: UsmpError): void {
    this.#transmits = []
    this.#fail(reason)
  }

  // ─── what must leave ───

  /** The next bytes for the transport; on message and datagram transports one message each. */
  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift()
  }

  /** When {@link handleTimeout} has to be called at the latest, minus infinity for at once; undefined if never. */
  pollTimeout(): number | undefined {
    const phase = this.#phase
    if (phase.kind === 'closed') return undefined
    let deadline = phase.kind === 'established' ? phase.keepAlive.deadline : this.#handshakeDeadline
    if (this.#reliability) deadline = Math.min(deadline, this.#reliability.deadline)
    if (phase.kind === 'established') deadline = Math.min(deadline, phase.closeBy)
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline
  }

  /**
   * When {@link handleTimeout} will end the connection, if nothing comes until then; undefined if never. What waits in the
   * transport has to be read first (specification, section 4.9).
   */
  get endsAt(): number | undefined {
    const phase = this.#phase
    if (phase.kind === 'closed') return undefined
    let end = phase.kind === 'established' ? Math.min(phase.keepAlive.idleAt, phase.closeBy) : this.#handshakeDeadline
    if (this.#reliability) end = Math.min(end, this.#reliability.lossAt)
    return end === Number.POSITIVE_INFINITY ? undefined : end
  }

  /** When an authentic frame of the peer came last, or reading went on, ms; undefined without a session. */
  get lastHeard(): number | undefined {
    return this.#phase.kind === 'established' ? this.#phase.keepAlive.lastReceived : undefined
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  // ─── frames in ───

  /** One frame in a packet of its own; an error in place of one is a packet that was malformed already. */
  #receivePacket(packet: Uint8Array | UsmpError, now: number): void {
    if (this.#phase.kind === 'closed') return
    let frame: Frame
    try {
      if (packet instanceof UsmpError) throw packet
      frame = decodeFrame(packet, this.#versions)
    } catch (error) {
      return this.#handleFrameError(asUsmpError(error, 'INVALID_ARGUMENT'), false)
    }
    this.#receiveFrame(frame, now)
  }

  #receiveFrame(frame: Frame, now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    try {
      if (frame.type === PacketType.ERROR) this.#noteUnauthenticatedError(frame)
      else if (this.#reliability?.isHandshakeRepeat(frame)) return
      else if (phase.kind === 'established') this.#receiveInSession(phase, frame, now)
      else if (phase.kind === 'client-handshake') this.#receiveAsClient(phase, frame, now)
      else this.#receiveAsServer(phase, frame, now)
    } catch (error) {
      const fault = asUsmpError(error, 'CRYPTO_FAILED')
      this.#handleFrameError(fault, isAuthentic(fault))
    }
  }

  #receiveAsClient(phase: ClientHandshake, frame: Frame, now: number): void {
    const step = stepClient(phase.config, phase.state, frame)
    this.#reliability?.acceptHandshake(frame)
    // A further challenge may be forged: it gives no more time, and does not stop the answer to another one.
    if ('established' in step || phase.state.kind === 'awaiting-challenge') this.#reliability?.handshakeAnswered()
    if ('established' in step) return this.#openSession(step.established, phase.suite, now)
    if (phase.state.kind === 'awaiting-challenge') this.#handshakeDeadline = now + this.#handshakeTimeout
    phase.state = step.state
    if (step.send) this.#sendHandshake(step.send, now)
  }

  #receiveAsServer(phase: ServerHandshake, frame: Frame, now: number): void {
    // A store that is away must not be asked as fast as a peer repeats itself.
    if (frame.type === PacketType.HELLO && now < phase.lookUpFrom) return this.#count('PSK_LOOKUP_FAILED')
    const before = phase.state
    const step = stepServer(phase.config, before, frame)
    if ('established' in step) {
      this.#reliability?.acceptHandshake(frame)
      this.#reliability?.handshakeAnswered()
      this.#sendHandshake(step.send, now)
      return this.#openSession(step.established, phase.suite, now)
    }
    phase.state = step.state
    const begins = step.state.kind === 'awaiting-psk' && step.state !== before
    if (begins) this.#reliability?.restartHandshake()
    // A HELLO without a cookie leaves no trace.
    if (step.send) this.#reliability?.acknowledge(frame, EMPTY)
    else this.#reliability?.acceptHandshake(frame)
    if (step.send) this.#sendHandshake(step.send, now)
    if (step.state.kind !== 'awaiting-psk' || !begins) return
    // One deadline for an attempt, whatever else the device sends.
    if (this.#handshakeDeadline === Number.POSITIVE_INFINITY) this.#handshakeDeadline = now + this.#handshakeTimeout
    wipeServer(before)
    // The same device again while it is looked up: the answer under way will do.
    if (before.kind === 'awaiting-psk') return
    const { deviceId, wireVersion } = step.state
    this.#wireVersion = wireVersion
    this.#decoder.acceptVersions((this.#versions = ONLY_VERSION[wireVersion]))
    this.#events.push({ kind: 'hello', deviceId, wireVersion })
  }

  #openSession(established: HandshakeResult, suite: CipherSuite, now: number): void {
    const client = this.#phase.kind === 'client-handshake'
    this.#wipePsk(this.#phase)
    const ordered = this.#ordered
    const keepalive = this.#keepalive ?? (client ? KEEPALIVE : 0)
    const idleTimeout = this.#idleTimeout ?? IDLE_TIMEOUT
    this.#phase = {
      kind: 'established',
      cipher: new RecordLayer(this.#provider, suite, established, ordered, client),
      keepAlive: new KeepAlive(
        { keepalive, idleTimeout, pingTimeout: ordered ? Number.POSITIVE_INFINITY : PING_TIMEOUT },
        now,
      ),
      reassembler: new Reassembler(),
      rekeys: new Budget(REKEY_BUDGET, now),
      closeTimeout: Number.POSITIVE_INFINITY,
      closeBy: Number.POSITIVE_INFINITY,
    }
    const { deviceId, sessionId, wireVersion } = established
    // The cipher keeps its own session id: a listener may do with this one what it likes.
    this.#events.push({ kind: 'connected', deviceId, sessionId: copyBytes(sessionId), suite, wireVersion })
  }

  #receiveInSession(phase: Established, frame: Frame, now: number): void {
    const reliability = this.#reliability
    if (!reliability) return this.#receiveSealed(phase, frame, now)
    if (isHandshakeType(frame.type)) throw new UsmpError('UNEXPECTED_PACKET', packetTypeName(frame.type))
    const seen = phase.cipher.keyOfSeen(frame.seq)
    if (!reliability.reading && !seen && !FIXED_SIZE_TYPES.includes(frame.type)) {
      // It will come again. Until then it says that the peer lives, and may be as slow as this end.
      if (phase.cipher.isGenuine(frame)) reliability.onReceived(now)
      throw new UsmpError('QUEUE_FULL', 'the application does not read')
    }
    try {
      this.#receiveSealed(phase, frame, now)
    } catch (error) {
      // Its acknowledgement was lost. What is too old to be told from a forgery gets none (specification, section 7.4).
      if (error instanceof UsmpError && error.code === 'REPLAYED' && seen) reliability.acknowledge(frame, seen)
      throw error
    } finally {
      this.#sendReady(phase, reliability, now)
    }
  }

  #receiveSealed(phase: Established, frame: Frame, now: number): void {
    const { cipher, reassembler } = phase
    cipher.checkReplay(frame.seq)
    if (!this.#isSessionType(frame.type)) throw new UsmpError('UNEXPECTED_PACKET', packetTypeName(frame.type))
    const { rekeying, receiveEpoch } = cipher
    const opened = { type: frame.type, seq: frame.seq, plaintext: cipher.open(frame) }
    phase.keepAlive.onReceived(now)
    if (this.#reliability) {
      this.#reliability.onReceived(now)
      this.#reliability.acknowledge(frame, cipher.receiveKey)
      this.#reliability.handshakeAnswered()
      if (cipher.receiveEpoch !== receiveEpoch) this.#handleAll(phase, this.#reliability.beginEpoch(), now)
    }
    // Pieces under two keys are not one message (specification, section 4.6).
    const broken = cipher.receiveEpoch !== receiveEpoch && reassembler.busy
    if (broken) {
      reassembler.reset()
      if (this.#ordered)
        return this.#handleFrameError(new UsmpError('BAD_FRAGMENT', 'a key change between fragments'), true)
      this.#count('BAD_FRAGMENT')
    }
    // The rest of the message that was dropped, perhaps.
    if (this.#reliability && broken && isMessageFrame(frame.type))
      this.#handleAll(phase, this.#reliability.skip(frame.seq, now), now)
    else if (this.#reliability) this.#handleAll(phase, this.#reliability.inOrder(opened, now), now)
    else this.#handle(phase, opened, now)
    if (!rekeying || cipher.rekeying) return
    this.#reliability?.rekeyAnswered()
    if (this.#phase === phase) this.#events.push({ kind: 'rekeyed' })
  }

  #handleAll(phase: Established, frames: readonly ReceivedFrame[], now: number): void {
    for (const frame of frames) if (this.#phase === phase) this.#handle(phase, frame, now)
  }

  /** Handles an authentic frame; a fault costs the frame, or the session. */
  #handle(phase: Established, frame: ReceivedFrame, now: number): void {
    try {
      this.#handleAuthentic(phase, frame, now)
    } catch (error) {
      this.#handleFrameError(asUsmpError(error, 'CRYPTO_FAILED'), true)
    }
  }

  #isSessionType(type: number): boolean {
    switch (type) {
      case PacketType.DATA:
      case PacketType.DATA_FRAG:
      case PacketType.PING:
      case PacketType.PONG:
      case PacketType.BYE:
        return true
      case PacketType.REKEY:
        return this.#wireVersion !== WIRE_VERSION_1
      default:
        return this.#extensions?.includes(type) ?? false
    }
  }

  #handleAuthentic(phase: Established, { type, seq, plaintext }: ReceivedFrame, now: number): void {
    if (isMessageFrame(type)) {
      const data = phase.reassembler.push(type, seq, plaintext)
      if (data && !phase.closing) this.#events.push({ kind: 'message', data })
      return
    }
    checkPlaintextSize(type, plaintext)
    if (phase.reassembler.busy) {
      phase.reassembler.reset()
      if (this.#ordered) throw new UsmpError('BAD_FRAGMENT', `${packetTypeName(type)} between fragments`)
      this.#count('BAD_FRAGMENT')
    }
    switch (type) {
      case PacketType.PING:
      case PacketType.PONG:
        return this.#handleControl(phase, type, now)
      case PacketType.BYE:
        return this.#fail(phase.closing ?? CLOSED_THERE)
      case PacketType.REKEY:
        phase.keepAlive.countRekey(now)
        this.#reliability?.sealPendingFragments(phase.cipher)
        phase.cipher.acceptRekey(plaintext)
        return
      default:
        this.#events.push({ kind: 'extension', type, data: plaintext })
    }
  }

  #handleControl(phase: Established, type: number, now: number): void {
    const roundTrip = type === PacketType.PONG ? phase.keepAlive.onPong(now) : undefined
    if (roundTrip !== undefined) {
      this.#events.push({ kind: 'pong', roundTrip })
      return
    }
    phase.keepAlive.countControl(now)
    if (type === PacketType.PING && phase.keepAlive.takePong(now)) this.#sendSealed(phase, PacketType.PONG, EMPTY, now)
  }

  // ─── frames out ───

  #sendHandshake({ type, seq, payload }: HandshakeFrame, now: number): void {
    const frame = { type, seq, payload, version: this.#wireVersion }
    const bytes = encodeFrame(frame)
    if (this.#reliability) this.#reliability.sendHandshake(frame, bytes, now)
    else this.#transmit(bytes)
  }

  #sendPing(phase: Established, now: number): void {
    this.#sendSealed(phase, PacketType.PING, EMPTY, now)
    phase.keepAlive.onPingSent(now)
  }

  #pingIfDue(phase: Established, now: number): void {
    if (!phase.keepAlive.isPingDue(now)) return
    try {
      this.#sendPing(phase, now)
    } catch {
      // The connection has ended and reports why.
    }
  }

  #sendSealed(phase: Established, type: number, plaintext: Uint8Array, now: number): void {
    if (this.#reliability) {
      this.#reliability.postUrgent({ type, plaintext })
      phase.keepAlive.onSent(now)
      return this.#sendReady(phase, this.#reliability, now)
    }
    this.#closeOnThrow(() => this.#transmit(phase.cipher.seal(type, plaintext)))
    phase.keepAlive.onSent(now)
  }

  #transmit(frame: Uint8Array): void {
    this.#transmits.push(this.#kind === 'serial' ? encodeSerial(frame) : frame)
  }

  // ─── datagrams ───

  #post(phase: Established, reliability: ReliableDatagram, frames: readonly PlaintextFrame[], now: number): void {
    if (frames.length > phase.cipher.remaining - reliability.waitingFrames) this.#end(new UsmpError('SEQ_EXHAUSTED'))
    reliability.post(frames)
    this.#sendReady(phase, reliability, now)
    if (this.#phase.kind === 'closed') throw this.#phase.reason
  }

  /** Sends what waits, as far as it may go; ends the connection where sealing fails. */
  #sendReady(phase: Established, reliability: ReliableDatagram, now: number): void {
    if (this.#phase !== phase) return
    try {
      const sent = reliability.sendReady(phase.cipher, now)
      if (sent.length > 0) phase.keepAlive.onSent(now)
    } catch (error) {
      this.#fail(asUsmpError(error, 'CRYPTO_FAILED'))
    }
  }

  #receiveUtack(reliability: ReliableDatagram, bytes: Uint8Array, now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    const verdict = reliability.receiveUtack(bytes, now)
    if (verdict === 'malformed') this.#count('BAD_PAYLOAD')
    if (verdict === 'forged') this.#count('DECRYPT_FAILED')
    if (verdict !== 'good' || phase.kind !== 'established') return
    this.#sendReady(phase, reliability, now)
    if (phase.closing && reliability.idle) this.#fail(phase.closing)
  }

  #handleReliabilityTimeout(phase: Established, reliability: ReliableDatagram, now: number): void {
    const lost = reliability.handleTimeout(now)
    phase.closeBy = Math.min(phase.closeBy, now + phase.closeTimeout)
    if (lost || now >= phase.closeBy) {
      if (phase.closing && !reliability.hasUndelivered) return this.#fail(phase.closing)
      const detail = lost ? `${packetTypeName(lost.type)} ${lost.seq} was not acknowledged` : 'messages did not arrive'
      return this.#fail(cutShort(phase.closing, detail))
    }
    this.#handleAll(phase, reliability.expire(now), now)
    this.#sendReady(phase, reliability, now)
  }

  // ─── faults and ends ───

  get #ordered(): boolean {
    return this.#kind !== 'datagram'
  }

  /**
   * The one place that decides whether a fault ends the connection or only costs the frame (specification, sections 3.9,
   * 4.4 and 6.5). On a stream there is no way on after any fault. On datagrams anybody can cause one, so none ends
   * anything. On a serial line what is not authentic is noise, or left over from an older session; an authentic frame
   * that is wrong means that another one was lost, and ends the session with a BYE: nothing else would tell the peer.
   * @param authentic whether the frame it is about was sealed by the peer
   */
  #handleFrameError(error: UsmpError, authentic: boolean): void {
    if (this.#phase.kind === 'closed') return
    const line = this.#kind === 'serial'
    if (line && (authentic || error.family === 'platform')) return this.close(error)
    // Nobody but the peer causes a flood, as its frames are authentic.
    if (isReliable(this.#kind) || error.family === 'platform' || error.code === 'FLOOD') return this.#fail(error)
    this.#count(error.code)
    if (this.#phase.kind === 'server-handshake' && WRONG_PROOFS.includes(error.code)) {
      this.#countWrongProof(this.#phase, error)
    }
  }

  /** Counts a guess; restarts of the handshake give no more of them (specification, section 3.12). */
  #countWrongProof(phase: ServerHandshake, error: UsmpError): void {
    phase.wrongProof = error
    if (++phase.wrongProofs === MAX_WRONG_PROOFS) this.#fail(error)
  }

  #count(code: ErrorCode): void {
    this.#dropped ??= new Map()
    this.#dropped.set(code, (this.#dropped.get(code) ?? 0) + 1)
  }

  /** Ends the connection, once; later calls change nothing. An attempt to guess a key is told as such, however it ends. */
  #fail(cause: UsmpError): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    const reason = (phase.kind === 'server-handshake' && phase.wrongProof) || cause
    this.#phase = { kind: 'closed', reason }
    this.#events.push({ kind: 'closed', reason })
    try {
      this.#wipeSecrets(phase)
    } catch {
      // A provider that cannot wipe a key must not keep the connection from its end.
    }
  }

  #wipePsk(phase: Phase): void {
    if (phase.kind === 'client-handshake') wipe(phase.config.psk)
    if (phase.kind === 'server-handshake') wipe(phase.psk)
  }

  #wipeSecrets(phase: Phase): void {
    this.#wipePsk(phase)
    this.#reliability?.clear()
    if (phase.kind === 'client-handshake') wipeClient(phase.state)
    if (phase.kind === 'server-handshake') wipeServer(phase.state)
    if (phase.kind !== 'established') return
    phase.cipher.wipe()
    phase.reassembler.reset()
  }

  #establishedPhase(): Established {
    if (this.#phase.kind === 'established') {
      if (this.#phase.closing) throw this.#phase.closing
      return this.#phase
    }
    if (this.#phase.kind === 'closed') throw this.#phase.reason
    throw new UsmpError('NOT_CONNECTED', 'the handshake is not complete')
  }

  /** Ends the connection and tells the caller. */
  #end(error: UsmpError): never {
    this.#fail(error)
    throw error
  }

  /** A number is used up, and perhaps half a message sent: where sealing fails the session cannot go on. */
  #closeOnThrow(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#end(asUsmpError(error, 'CRYPTO_FAILED'))
    }
  }

  #noteUnauthenticatedError(frame: Frame): void {
    this.#count('UNEXPECTED_PACKET')
    if (this.#phase.kind !== 'established' && frame.payload.length === ERROR_SIZE)
      this.#peerError = describeErrorFrame(frame)
  }

  #unauthenticatedError(): string {
    return this.#peerError ? `; the peer (unproven) says ${this.#peerError}` : ''
  }

  #refusedError(state: ClientState, cause: unknown): UsmpError {
    const options = cause === undefined ? {} : { cause }
    if (state.kind === 'awaiting-session-ok') {
      return new UsmpError('HANDSHAKE_REFUSED', `after our proof, before SESSION_OK${this.#unauthenticatedError()}`, {
        ...options,
        awaited: PacketType.SESSION_OK,
        hint: 'Most likely the key is wrong or the device id unknown at the server; its log says which.',
      })
    }
    return new UsmpError('HANDSHAKE_REFUSED', `before CHALLENGE${this.#unauthenticatedError()}`, {
      ...options,
      awaited: PacketType.CHALLENGE,
      hint:
        this.#peerError === 'INTERNAL'
          ? STORE_IS_AWAY
          : 'Likely, in this order: locked out after failures, a connection limit of the server, another wire version, or not a USMP server.',
    })
  }

  #timeoutError(phase: ClientHandshake | ServerHandshake): UsmpError {
    if (phase.kind === 'server-handshake' && phase.lookupFailure) return phase.lookupFailure
    const step = phase.state.kind.replaceAll('-', ' ')
    const drops = this.#drops()
    // A server does not answer a wrong proof on datagrams.
    const refused =
      this.#reliability && phase.state.kind === 'awaiting-session-ok'
        ? {
            awaited: PacketType.SESSION_OK,
            hint: 'Most likely the key is wrong or the device id unknown at the server.',
          }
        : this.#peerError === 'INTERNAL'
          ? { hint: STORE_IS_AWAY }
          : {}
    return new UsmpError('HANDSHAKE_TIMEOUT', `${step}${drops && `; ${drops}`}${this.#unauthenticatedError()}`, refused)
  }

  /** What was dropped, as it may be why nothing good came. */
  #drops(): string {
    if (!this.#dropped) return ''
    return `dropped ${[...this.#dropped].map(([code, count]) => `${count} × ${code}`).join(', ')}`
  }
}

/**
 * How long a close takes at most, ms: 5 s, and 1 s for a session that was replaced or turned away, and when the server stops
 * (specification, section 4.10).
 */
export function closeTimeout({ code }: UsmpError): number {
  return SHORT_CLOSES.includes(code) ? SHORT_CLOSE_TIMEOUT : CLOSE_TIMEOUT
}

/**
 * How a session ends that was closed before everything had left or arrived: who asked for a good end must hear of it, who
 * had another reason has that.
 */
export function cutShort(closing: UsmpError | undefined, detail: string): UsmpError {
  if (closing && closing.code !== 'CLOSED') return closing
  return new UsmpError('TRANSPORT_FAILED', detail, { hint: 'The peer or the network is gone.' })
}

/** @throws UsmpError INVALID_ARGUMENT, WEAK_PSK */
export function checkAuthorization(answer: Authorization): void {
  checkOptions('the answer of authorize', answer, authorizationTable)
  assertPsk(answer.psk, answer.allowWeakPsk)
}

/** Whether a transport ended because of what the peer sent on it. */
function isFrameFault(cause: unknown): cause is UsmpError {
  return cause instanceof UsmpError && cause.family === 'frame'
}

/** Whether nobody but the peer can put bytes onto such a transport without breaking it for good. */
function isReliable(kind: TransportKind): boolean {
  return kind === 'stream' || kind === 'message'
}

/** Whether a type carries a message or a piece of one. */
function isMessageFrame(type: number): type is typeof PacketType.DATA | typeof PacketType.DATA_FRAG {
  return type === PacketType.DATA || type === PacketType.DATA_FRAG
}

/** What a type has inside, where that is fixed (specification, section 4.3, step 8). */
function checkPlaintextSize(type: number, plaintext: Uint8Array): void {
  const expected = type === PacketType.REKEY ? REKEY_SALT_SIZE : 0
  if (!FIXED_SIZE_TYPES.includes(type) || plaintext.length === expected) return
  throw new UsmpError('BAD_PAYLOAD', `${packetTypeName(type)} with ${plaintext.length} bytes instead of ${expected}`)
}

/** The random source, its failures made known as such. */
function checkedRandom(random: RandomSource): RandomSource {
  return (length) => {
    try {
      const bytes = random(length)
      if (bytes.length === length) return bytes
    } catch (cause) {
      throw new UsmpError('RANDOM_FAILED', undefined, { cause })
    }
    throw new UsmpError('RANDOM_FAILED', `not ${length} bytes`)
  }
}
