import type { ConnectionContext } from './connection-context.js'
import { isReliable } from './connection-options.js'
import {
  type CipherSuite,
  CLIENT_STEP_TIMEOUT,
  MAX_WRONG_PROOFS,
  PacketType,
  SERVER_HANDSHAKE_TIMEOUT,
} from './constants.js'
import { type ErrorCode, UsmpError } from './errors.js'
import { encodeFrame, type Frame } from './frame.js'
import { refusedError, timeoutError } from './handshake/failure.js'
import type {
  ClientHandshake,
  Handshake,
  HandshakeFrame,
  HandshakeResult,
  ServerConfig,
  ServerHandshake,
} from './handshake/handshake.js'
import { describeErrorFrame, encodeError } from './messages.js'
import type { WireProtocol } from './wire-protocol.js'

/** What a peer causes that does not hold the key. */
const WRONG_PROOFS: readonly ErrorCode[] = ['AUTH_FAILED', 'UNKNOWN_DEVICE', 'LOW_ORDER_POINT']
/** How long after a look-up that failed a HELLO is not taken, ms (specification, section 3.10). */
const LOOKUP_PAUSE = 1_000

/**
 * A connection until it is established, or ends without: the deadline, and what the frames of a handshake do to the
 * connection.
 *
 * The `Connection` makes it and calls `receive` for each frame until there is a result, and `end` if there will be none. A
 * {@link Handshake} says what each frame means and owns the secrets; this class picks the protocol (server), acknowledges,
 * sends, keeps time, and counts guesses and look-ups. It must give a device no more guesses because it starts again.
 */
export class Handshaking {
  readonly kind = 'handshake'
  readonly #context: ConnectionContext
  /** One of both is there. */
  readonly #client: ClientHandshake | undefined
  #server: ServerHandshake | undefined
  /** Server: what each handshake of this attempt is made of. */
  readonly #config: ServerConfig | undefined
  /** Those that may be spoken: one only, once a server has picked it. */
  #protocols: readonly WireProtocol[]
  #protocol: WireProtocol
  readonly #timeout: number
  #deadline: number
  /** What an ERROR frame claimed; unauthenticated, only ever shown to a person. */
  #peerError: string | undefined
  /** Server, where a wrong proof does not end the handshake: how many there were, and the last one. */
  #wrongProofs = 0
  #wrongProof: UsmpError | undefined
  /** The same for a key that could not be looked up. */
  #lookupFailure: UsmpError | undefined
  /** From when on a key is looked up again. */
  #lookUpFrom = Number.NEGATIVE_INFINITY

  /**
   * @param protocols a client's one, or those of a server; the first one is what a HELLO is expected in
   * @param role the handshake of a client, whose first frame is sent; or what each handshake of a server is made of
   * @param timeout ms, 0 for never: of a client for each step, of a server for the whole handshake
   * @throws UsmpError RANDOM_FAILED
   */
  constructor(
    context: ConnectionContext,
    protocols: readonly WireProtocol[],
    role: ClientHandshake | ServerConfig,
    timeout: number | undefined,
    now: number,
  ) {
    const isClient = 'start' in role
    this.#context = context
    this.#protocols = protocols
    this.#protocol = protocols[0]!
    this.#timeout = (timeout ?? (isClient ? CLIENT_STEP_TIMEOUT : SERVER_HANDSHAKE_TIMEOUT)) || Number.POSITIVE_INFINITY
    // A line waits for its first HELLO without limit.
    this.#deadline = isClient || isReliable(context.kind) ? now + this.#timeout : Number.POSITIVE_INFINITY
    if (isClient) {
      this.#client = role
      this.#send(this.#protocol, role.start(), now)
    } else {
      this.#config = role
      this.#server = this.#protocol.server(role)
    }
  }

  get isClient(): boolean {
    return this.#client !== undefined
  }

  get protocol(): WireProtocol {
    return this.#protocol
  }

  /** When {@link handleTimeout} has something to do; infinite if never. */
  get deadline(): number {
    return Math.min(this.#deadline, this.#context.reliability?.deadline ?? Number.POSITIVE_INFINITY)
  }

  /** When {@link handleTimeout} will end the handshake, if nothing comes until then; infinite if never. */
  get endsAt(): number {
    return Math.min(this.#deadline, this.#context.reliability?.lossAt ?? Number.POSITIVE_INFINITY)
  }

  /** Why the connection ends, if `cause` ends it: an attempt to guess a key is told as such, however it ends. */
  endReason(cause: UsmpError): UsmpError {
    return this.#wrongProof ?? cause
  }

  /** Why there is no session, as the peer has ended the transport in order (`cause` absent) or by a fault. */
  refusedError(cause: unknown): UsmpError | undefined {
    return this.#client && refusedError(this.#client, this.#peerError, cause)
  }

  // ─── what arrives ───

  /**
   * Handles one frame.
   * @returns what the session is made of, once the handshake is complete
   * @throws UsmpError the fault of the frame
   */
  receive(frame: Frame, now: number): HandshakeResult | undefined {
    const { reliability, drops } = this.#context
    // A store that is away must not be asked as fast as a peer repeats itself.
    if (now < this.#lookUpFrom && frame.type === this.#protocol.handshakeTypes[0]) {
      drops.count('PSK_LOOKUP_FAILED')
      return undefined
    }
    const protocol = this.#protocols.find(({ version }) => version === frame.version) ?? this.#protocol
    const handshake = this.#handshakeOf(protocol)
    const step = handshake.receive(frame)
    reliability?.onHandshakeStep(frame, step)
    // A server has one deadline for an attempt, whatever else the device sends.
    if (step.progress && (this.isClient || this.#deadline === Number.POSITIVE_INFINITY)) {
      this.#deadline = now + this.#timeout
    }
    if (step.send) this.#send(protocol, step.send, now)
    if (step.hello) {
      this.#pick(protocol, handshake as ServerHandshake)
      this.#context.report({ kind: 'hello', deviceId: step.hello.deviceId, wireVersion: protocol.version })
    }
    return step.established
  }

  /** Keeps what an ERROR frame says, to show it to a person. */
  noteError(frame: Frame): void {
    this.#peerError = describeErrorFrame(frame) ?? this.#peerError
  }

  /** Counts a fault that did not end the connection: restarts give no more guesses (specification, section 3.12). */
  countFault(error: UsmpError): void {
    if (this.isClient || !WRONG_PROOFS.includes(error.code)) return
    this.#wrongProof = error
    if (++this.#wrongProofs === MAX_WRONG_PROOFS) this.#context.fail(error)
  }

  /** A server that has accepted no HELLO yet begins a handshake of the version of the frame. */
  #handshakeOf(protocol: WireProtocol): Handshake {
    if (this.#config && protocol !== this.#protocol) return protocol.server(this.#config)
    return this.#handshake
  }

  get #handshake(): Handshake {
    return (this.#client ?? this.#server)!
  }

  #pick(protocol: WireProtocol, handshake: ServerHandshake): void {
    this.#server = handshake
    this.#protocol = protocol
    this.#protocols = [protocol]
    this.#context.pickProtocol(protocol)
  }

  // ─── what the application answers ───

  /**
   * Server: the key of a device; see `Connection.authorize`.
   * @throws UsmpError INVALID_ARGUMENT if no `hello` waits for an answer, or at a client; RANDOM_FAILED
   */
  authorize(key: { readonly psk: Uint8Array; readonly suite: CipherSuite }, known: boolean, now: number): void {
    if (!this.#server) throw new UsmpError('INVALID_ARGUMENT', 'no HELLO is waiting for a key')
    if (now >= this.#deadline) return this.#context.fail(this.#timeoutError())
    const send = this.#server.authorize(key, known)
    this.#lookupFailure = undefined
    this.#send(this.#protocol, send, now)
  }

  /** Server: the key could not be looked up; see `Connection.failLookup`. */
  failLookup(reason: UsmpError, now: number): void {
    const { kind, reliability, transmit, fail } = this.#context
    if (!this.#server?.dropHello()) return
    const payload = encodeError(reason.wireCode ?? 0)
    transmit(encodeFrame({ type: PacketType.ERROR, seq: 0, payload, version: this.#protocol.version }))
    // Guesses that were made in this attempt are counted for this device: no other may begin in it.
    if (isReliable(kind) || this.#wrongProof) return fail(reason)
    this.#lookupFailure = reason
    this.#lookUpFrom = now + LOOKUP_PAUSE
    // The same HELLO again is another attempt to find the key.
    reliability?.restartHandshake()
  }

  // ─── time, and the end ───

  /** Repeats what was not acknowledged, and ends an attempt whose time is up. */
  handleTimeout(now: number): void {
    if (now >= this.#deadline) this.#context.fail(this.#timeoutError())
    else this.#context.reliability?.handleTimeout(now)
  }

  /** Forgets the secrets. The connection calls it once, if it ends without a session. */
  end(): void {
    this.#handshake.wipe()
  }

  #timeoutError(): UsmpError {
    if (this.#lookupFailure) return this.#lookupFailure
    const { reliability, drops } = this.#context
    // A server does not answer a wrong proof on datagrams.
    const refusal = reliability && this.#client?.proofSent ? this.#client.refusal : undefined
    return timeoutError(this.#handshake.waitingFor, refusal, drops.describe(), this.#peerError)
  }

  #send({ version }: WireProtocol, { type, seq, payload }: HandshakeFrame, now: number): void {
    const { reliability, transmit } = this.#context
    const frame = { type, seq, payload, version }
    const bytes = encodeFrame(frame)
    if (reliability) reliability.sendHandshake(frame, bytes, now)
    else transmit(bytes)
  }
}
