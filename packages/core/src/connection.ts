import { assertBytes, copyBytes, copySecret } from './bytes.js'
import { CLOSED_HERE } from './close.js'
import type { ConnectionContext } from './connection-context.js'
import type { ConnectionEvent } from './connection-events.js'
import {
  type Authorization,
  type ClientOptions,
  type CommonOptions,
  checkAuthorization,
  isReliable,
  type ServerOptions,
} from './connection-options.js'
import { CipherSuite, IDLE_TIMEOUT, PacketType } from './constants.js'
import type { CryptoProvider, RandomSource } from './crypto.js'
import { nobleProvider } from './crypto-noble.js'
import type { ReliableDatagram } from './datagram.js'
import { Drops } from './drops.js'
import { asUsmpError, type ErrorCode, UsmpError } from './errors.js'
import { Established } from './established.js'
import { assertMessage, type MessageLimits, messageLimits } from './fragment.js'
import type { Frame } from './frame.js'
import { type Framing, framingOf } from './framing.js'
import type { ClientHandshake, HandshakeResult, ServerConfig } from './handshake/handshake.js'
import { Handshaking } from './handshaking.js'
import { checkOptions, clientTable, serverTable } from './options.js'
import { assertPsk, PSK_STAND_IN } from './psk.js'
import { isAuthentic } from './record-layer.js'
import type { WireProtocol } from './wire-protocol.js'
import { wireVersion2 } from './wire-version-2.js'

export type { ConnectionEvent } from './connection-events.js'
export type { Authorization, ClientOptions, ServerOptions, TransportKind } from './connection-options.js'

interface Closed {
  readonly kind: 'closed'
  readonly reason: UsmpError
  /** Of a session that has ended. */
  readonly lastReceived: number | undefined
}

type Phase = Handshaking | Established | Closed

/**
 * One connection of either role, without I/O: bytes and the time go in, and after any call the owner drains
 * `pollTransmit`, `pollTimeout` and `pollEvent`, in this order. Times are ms of any monotonic clock.
 *
 * Calls come in four kinds. Input: `receive`, `receiveEnd`, `handleTimeout`, `setReading`; they never throw. Wishes of the
 * application: `authorize`, `failLookup`, `send`, `sendExtension`, `ping`, `rekey`, `close`, `abort`. Output: the three
 * polls. Questions: the getters.
 *
 * It owns the phase ({@link Handshaking}, {@link Established}, closed), the queues of bytes and events, and the
 * {@link Framing} that knows how frames travel. It ends once: the first reason is kept, and `closed` is its last event.
 * Nothing that is not authentic may end a session on a transport where anybody can send.
 */
export class Connection {
  readonly #context: ConnectionContext
  readonly #framing: Framing
  #limits: MessageLimits
  #phase: Phase
  #transmits: Uint8Array[] = []
  #events: ConnectionEvent[] = []

  /** @param role the handshake of a client, or what each handshake of a server is made of */
  private constructor(
    options: CommonOptions,
    protocols: readonly WireProtocol[],
    role: (context: ConnectionContext) => ClientHandshake | ServerConfig,
    now: number,
  ) {
    const provider = options.provider ?? nobleProvider
    const random = checkedRandom(options.random)
    this.#limits = messageLimits(protocols[0]!.recordFormat.maxPlaintext)
    this.#framing = framingOf(
      options.kind,
      protocols.map(({ version }) => version),
    )
    this.#context = {
      kind: options.kind,
      provider,
      random,
      extensions: options.extensions,
      keepalive: options.keepalive,
      idleTimeout: options.idleTimeout ?? IDLE_TIMEOUT,
      reliability: makeReliability(options, provider, random, (bytes) => this.#transmits.push(bytes)),
      drops: new Drops(),
      transmit: (frame) => this.#transmits.push(this.#framing.encode(frame)),
      report: (event) => this.#events.push(event),
      pickProtocol: (protocol) => this.#pickProtocol(protocol),
      fail: (reason) => this.#fail(reason),
      handleFrameError: (error, authentic) => this.#handleFrameError(error, authentic),
    }
    this.#phase = new Handshaking(this.#context, protocols, role(this.#context), options.handshakeTimeout, now)
  }

  /**
   * The initiating end; HELLO is ready to be polled.
   * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK, RANDOM_FAILED
   */
  static client(options: ClientOptions, now: number): Connection {
    checkOptions('Connection.client', options, clientTable)
    assertPsk(options.psk, options.allowWeakPsk)
    const protocol = options.unsafeWireVersion1 ?? wireVersion2
    const handshake = protocol.client({
      provider: options.provider ?? nobleProvider,
      random: checkedRandom(options.random),
      deviceId: copyBytes(options.deviceId),
      psk: copySecret(options.psk),
      suite: options.suite ?? CipherSuite.AES_256_GCM,
      allowMultipleChallenges: !isReliable(options.kind),
    })
    return new Connection(options, [protocol], () => handshake, now)
  }

  /**
   * The answering end.
   * @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED
   */
  static server(options: ServerOptions, now: number): Connection {
    checkOptions('Connection.server', options, serverTable)
    const protocols = options.unsafeWireVersion1 ? [wireVersion2, options.unsafeWireVersion1] : [wireVersion2]
    const { kind, cookies } = options
    const config = ({ provider, random, report }: ConnectionContext): ServerConfig => ({
      provider,
      random,
      cookies,
      allowRestart: !isReliable(kind),
      ignoreDuplicates: kind === 'datagram',
      onUnproven: (device) => report({ kind: 'unproven', ...device }),
    })
    return new Connection(options, protocols, config, now)
  }

  /** Frames that were dropped without harm, by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#context.drops.counts
  }

  /** Why the connection has ended; undefined while it has not. */
  get closedReason(): UsmpError | undefined {
    return this.#phase.kind === 'closed' ? this.#phase.reason : undefined
  }

  /** Largest message of this connection, bytes. */
  get maxMessage(): number {
    return this.#limits.maxMessage
  }

  /** Whether messages can be sent. */
  get established(): boolean {
    return this.#phase.kind === 'established' && !this.#phase.closing
  }

  /** On datagrams: messages wait to be sent, because others are under way. More may be sent, up to a bound. */
  get full(): boolean {
    return (this.#context.reliability?.waiting ?? 0) > 0
  }

  // ─── what arrives ───

  /** Takes the next bytes of the stream or line, or one whole message or datagram. Never throws. */
  receive(bytes: Uint8Array, now: number): void {
    if (this.closedReason) return
    try {
      if (this.#context.reliability?.receiveUtack(bytes, now, this.#context.drops)) return
      this.#framing.feed(bytes)
    } catch (error) {
      return this.#handleFrameError(asUsmpError(error, 'INVALID_ARGUMENT'), false)
    }
    while (this.#phase.kind !== 'closed') {
      try {
        const frame = this.#framing.next()
        if (!frame) return
        this.#receiveFrame(frame, now)
      } catch (error) {
        this.#handleFrameError(asUsmpError(error, 'INVALID_ARGUMENT'), false)
      }
    }
  }

  /**
   * The transport has ended, in order (`cause` absent) or by a fault. Without a BYE before it this is never a good end
   * of a session.
   */
  receiveEnd(cause?: unknown): void {
    const phase = this.#phase
    const refused = phase.kind === 'handshake' && !isFrameFault(cause) ? phase.refusedError(cause) : undefined
    if (refused) this.#fail(refused)
    else if (phase.kind === 'established' && phase.closing) this.#fail(phase.closing)
    else if (cause !== undefined) this.#fail(asUsmpError(cause, 'TRANSPORT_FAILED'))
    else this.#fail(new UsmpError('TRUNCATED', this.#framing.pending > 0 ? 'in the middle of a frame' : undefined))
  }

  /** Does what the time asks for: handshake deadline, idle end, keepalive. Never throws. */
  handleTimeout(now: number): void {
    if (this.#phase.kind !== 'closed') this.#phase.handleTimeout(now)
  }

  /** Says whether the transport is being read; while it is not, the peer's silence does not end the session. */
  setReading(reading: boolean, now: number): void {
    this.#context.reliability?.setReading(reading, now)
    if (this.#phase.kind === 'established') this.#phase.setReading(reading, now)
  }

  // ─── what the application wants ───

  /**
   * Server: answers a `hello` event. `null` for an unknown device: it is refused where a wrong key is, and looks the same.
   * @throws UsmpError WEAK_PSK, RANDOM_FAILED, INVALID_ARGUMENT for a suite that is none, or if no `hello` waits for an answer
   */
  authorize(answer: Authorization | null, now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    if (phase.kind !== 'handshake') throw new UsmpError('INVALID_ARGUMENT', 'no HELLO is waiting for a key')
    const authorization = answer ?? { psk: PSK_STAND_IN }
    checkAuthorization(authorization)
    const { psk, suite = CipherSuite.AES_256_GCM } = authorization
    phase.authorize({ psk, suite }, answer !== null, now)
  }

  /**
   * Server: tells the peer, in place of an answer to a `hello` event, that the key could not be looked up. It may come again
   * when that is repaired; on datagrams and serial lines even within this handshake (specification, section 3.10).
   * @param reason PSK_LOOKUP_FAILED
   */
  failLookup(reason: UsmpError, now: number): void {
    if (this.#phase.kind === 'handshake') this.#phase.failLookup(reason, now)
  }

  /**
   * Seals a message of 0 to {@link maxMessage} bytes into as few frames as it fits. On datagrams it may first wait for its
   * turn.
   * @throws UsmpError NOT_CONNECTED (or why the session ended), MESSAGE_TOO_LARGE, SEQ_EXHAUSTED, CRYPTO_FAILED; on
   * datagrams QUEUE_FULL, if 64 messages wait
   */
  send(message: Uint8Array, now: number): void {
    assertMessage(message, this.maxMessage)
    this.#requireEstablished().send(message, now)
  }

  /**
   * Seals one frame of a registered extension type, 0 to 452 bytes.
   * @throws UsmpError NOT_CONNECTED (or why the session ended), INVALID_ARGUMENT, MESSAGE_TOO_LARGE, SEQ_EXHAUSTED,
   * CRYPTO_FAILED; on datagrams QUEUE_FULL, if 64 messages wait
   */
  sendExtension(type: number, data: Uint8Array, now: number): void {
    assertBytes('data', data)
    this.#requireEstablished().sendExtension(type, data, now)
  }

  /**
   * Asks for a round trip: a `pong` event follows. At most 4 PINGs leave in a second, and requests while one is
   * under way share its answer. On datagrams, where a peer may leave one unanswered, another one goes every 5 s until
   * then, and the round trip is that of the last one.
   * @throws UsmpError NOT_CONNECTED (or why the session ended)
   */
  ping(now: number): void {
    this.#requireEstablished().ping(now)
  }

  /**
   * Changes the keys of the session; a `rekeyed` event follows when the peer has used them. Towards published peers do
   * this only while nothing is under way: they lose what crosses it (specification, section 5.7).
   * @throws UsmpError NOT_CONNECTED (or why the session ended), INVALID_ARGUMENT while one is under way, for more than 16
   * in a burst and one in 4 s, or on wire version 1; SEQ_EXHAUSTED, RANDOM_FAILED, CRYPTO_FAILED
   */
  rekey(now: number): void {
    this.#requireEstablished().rekey(now)
  }

  /**
   * Ends the session with a BYE, or the handshake without. On datagrams the end comes when everything that was sent, and
   * then the BYE, has arrived, or when it has taken as long as `closeTimeout` says. Never throws.
   * @param by a time at which it ends at the latest
   */
  close(reason: UsmpError = CLOSED_HERE, by: number = Number.POSITIVE_INFINITY): void {
    if (this.#phase.kind === 'established') this.#phase.close(reason, by)
    else this.#fail(reason)
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
    return finite(phase.deadline)
  }

  /**
   * When {@link handleTimeout} will end the connection, if nothing comes until then; undefined if never. What waits in the
   * transport has to be read first (specification, section 4.9).
   */
  get endsAt(): number | undefined {
    const phase = this.#phase
    if (phase.kind === 'closed') return undefined
    return finite(phase.endsAt)
  }

  /** When an authentic frame of the peer came last, or reading went on, ms; undefined before there was a session. */
  get lastReceived(): number | undefined {
    return this.#phase.kind === 'handshake' ? undefined : this.#phase.lastReceived
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  // ─── frames ───

  #receiveFrame(frame: Frame, now: number): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    try {
      if (frame.type === PacketType.ERROR) this.#noteUnauthenticatedError(phase, frame)
      else if (this.#context.reliability?.isHandshakeRepeat(frame)) return
      else if (phase.kind === 'established') phase.receive(frame, now)
      else {
        const result = phase.receive(frame, now)
        if (result) this.#openSession(phase, result, now)
      }
    } catch (error) {
      const fault = asUsmpError(error, 'CRYPTO_FAILED')
      this.#handleFrameError(fault, isAuthentic(fault))
    }
  }

  /** An ERROR frame proves nothing: it may explain a failure to a person, and changes nothing. */
  #noteUnauthenticatedError(phase: Handshaking | Established, frame: Frame): void {
    this.#context.drops.count('UNEXPECTED_PACKET')
    if (phase.kind === 'handshake') phase.noteError(frame)
  }

  #pickProtocol({ version, recordFormat }: WireProtocol): void {
    this.#framing.acceptVersions([version])
    this.#limits = messageLimits(recordFormat.maxPlaintext)
  }

  #openSession({ protocol, isClient }: Handshaking, result: HandshakeResult, now: number): void {
    const Session = this.#context.reliability?.Session ?? Established
    this.#phase = new Session(this.#context, protocol, this.#limits, result, isClient, now)
    const { deviceId, suite } = result
    // The record layer keeps its own session id: a listener may do with this one what it likes.
    const sessionId = copyBytes(result.sessionId)
    this.#events.push({ kind: 'connected', deviceId, sessionId, suite, wireVersion: protocol.version })
  }

  // ─── faults and ends ───

  /**
   * The one place that decides whether a fault ends the connection or only costs the frame (specification, sections 3.9,
   * 4.4 and 6.5). On a stream there is no way on after any fault. On datagrams anybody can cause one, so none ends
   * anything. On a serial line what is not authentic is noise, or left over from an older session; an authentic frame
   * that is wrong means that another one was lost, and ends the session with a BYE: nothing else would tell the peer.
   * @param authentic whether the frame it is about was sealed by the peer
   */
  #handleFrameError(error: UsmpError, authentic: boolean): void {
    const phase = this.#phase
    const { kind, drops } = this.#context
    if (phase.kind === 'closed') return
    if (kind === 'serial' && (authentic || error.family === 'platform')) return this.close(error)
    // Nobody but the peer causes a flood, as its frames are authentic.
    if (isReliable(kind) || error.family === 'platform' || error.code === 'FLOOD') return this.#fail(error)
    drops.count(error.code)
    if (phase.kind === 'handshake') phase.countFault(error)
  }

  /** Ends the connection, once; later calls change nothing. */
  #fail(cause: UsmpError): void {
    const phase = this.#phase
    if (phase.kind === 'closed') return
    const reason = phase.kind === 'handshake' ? phase.endReason(cause) : cause
    this.#phase = { kind: 'closed', reason, lastReceived: this.lastReceived }
    this.#events.push({ kind: 'closed', reason })
    this.#context.reliability?.clear()
    try {
      phase.end(reason)
    } catch {
      // A provider that cannot wipe a key must not keep the connection from its end.
    }
  }

  #requireEstablished(): Established {
    const phase = this.#phase
    if (phase.kind === 'closed') throw phase.reason
    if (phase.kind !== 'established') throw new UsmpError('NOT_CONNECTED', 'the handshake is not complete')
    if (phase.closing) throw phase.closing
    return phase
  }
}

/** Whether a transport ended because of what the peer sent on it. */
function isFrameFault(cause: unknown): cause is UsmpError {
  return cause instanceof UsmpError && cause.family === 'frame'
}

function finite(time: number): number | undefined {
  return time === Number.POSITIVE_INFINITY ? undefined : time
}

/** @throws UsmpError INVALID_ARGUMENT for what is wrong about datagrams, RANDOM_FAILED */
function makeReliability(
  options: CommonOptions,
  provider: CryptoProvider,
  random: RandomSource,
  transmit: (datagram: Uint8Array) => void,
): ReliableDatagram | undefined {
  const { kind, reliableDatagram } = options
  if (kind !== 'datagram') return undefined
  if (reliableDatagram) return reliableDatagram.of(options, provider, random, transmit)
  throw new UsmpError('INVALID_ARGUMENT', 'datagrams need reliableDatagram: ReliableDatagram of @usmp/core/datagram')
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
