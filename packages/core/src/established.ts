import { EMPTY } from './bytes.js'
import { CLOSED_THERE } from './close.js'
import type { ConnectionContext } from './connection-context.js'
import { KEEPALIVE_TIME, PacketType, packetTypeName, REKEY_BUDGET, REKEY_COST, REKEY_SALT_SIZE } from './constants.js'
import type { PlaintextFrame, ReceivedFrame } from './datagram.js'
import { asUsmpError, UsmpError } from './errors.js'
import { assertMessage, type MessageLimits, Reassembler, splitMessage } from './fragment.js'
import type { Frame } from './frame.js'
import type { HandshakeResult } from './handshake/handshake.js'
import { Budget, KeepAlive, PING_TIMEOUT } from './keepalive.js'
import { RecordLayer } from './record-layer.js'
import type { ReplayWindow } from './replay.js'
import type { WireProtocol } from './wire-protocol.js'

/**
 * A session: what a connection is between the end of its handshake and its own end, where frames keep their order.
 * `EstablishedDatagram` changes what is different on datagrams.
 *
 * The `Connection` makes it, hands it frames (`receive`), time (`handleTimeout`) and what the application wants (`send`,
 * `ping`, `rekey`, `close`), and calls `end` once. It owns the record layer, the keep-alive, the half-built message and the
 * budget for rekeys. It never decides whether a fault ends the connection, and nothing in it may move for a frame that is
 * not authentic.
 */
export class Established {
  readonly kind = 'established'
  protected readonly context: ConnectionContext
  protected readonly protocol: WireProtocol
  protected readonly records: RecordLayer
  protected readonly keepAlive: KeepAlive
  protected readonly reassembler: Reassembler
  /** Why the session has ended. */
  protected endReason: UsmpError | undefined
  readonly #limits: MessageLimits
  readonly #rekeys: Budget

  /**
   * @param client whether this end is the client, which wins if both ends rekey at once
   * @param Window on datagrams: the class {@link ReplayWindow}
   */
  constructor(
    context: ConnectionContext,
    protocol: WireProtocol,
    limits: MessageLimits,
    result: HandshakeResult,
    client: boolean,
    now: number,
    Window?: typeof ReplayWindow,
  ) {
    const { provider, idleTimeout } = context
    this.context = context
    this.protocol = protocol
    this.#limits = limits
    this.records = new RecordLayer(provider, protocol, result, Window, client)
    const keepalive = context.keepalive ?? (client ? KEEPALIVE_TIME : 0)
    const pingTimeout = Window ? PING_TIMEOUT : Number.POSITIVE_INFINITY
    this.keepAlive = new KeepAlive({ keepalive, idleTimeout, pingTimeout }, now)
    this.reassembler = new Reassembler(limits.maxFragments)
    this.#rekeys = new Budget(REKEY_BUDGET, now)
  }

  /** The reason that the end will have, once this side has asked for an end that takes time. */
  get closing(): UsmpError | undefined {
    return undefined
  }

  /** When the peer was last heard, or reading went on, ms. */
  get lastReceived(): number {
    return this.keepAlive.lastReceived
  }

  /** When {@link handleTimeout} has something to do; infinite if never. */
  get deadline(): number {
    return this.keepAlive.deadline
  }

  /** When {@link handleTimeout} will end the session, if nothing comes until then; infinite if never. */
  get endsAt(): number {
    return this.keepAlive.idleAt
  }

  // ─── what arrives ───

  /**
   * Handles one frame that is not of the handshake.
   * @throws UsmpError the fault of the frame
   */
  receive(frame: Frame, now: number): void {
    const { records } = this
    records.checkReplay(frame.seq)
    if (!this.#isSessionType(frame.type)) throw unexpected(frame.type)
    const { rekeying, receiveEpoch } = records
    const opened = { type: frame.type, seq: frame.seq, plaintext: records.open(frame) }
    this.keepAlive.onReceived(now)
    this.accept(opened, records.receiveEpoch !== receiveEpoch, now)
    if (rekeying && !records.rekeying && !this.endReason) this.context.report({ kind: 'rekeyed' })
  }

  /** Says whether the transport is being read; while it is not, the peer's silence does not end the session. */
  setReading(reading: boolean, now: number): void {
    this.keepAlive.setReading(reading, now)
  }

  /**
   * Handles an authentic frame, and the frames that waited for it.
   * @param isNewKey whether it is the first one under a newer key
   */
  protected accept(frame: ReceivedFrame, isNewKey: boolean, now: number): void {
    this.handle(frame, isNewKey, now)
  }

  /** Handles an authentic frame that has its turn; a fault costs the frame, or the session. */
  protected handle(frame: ReceivedFrame, isNewKey: boolean, now: number): void {
    try {
      // Fragments under two keys are not one message (specification, section 4.6).
      if (isNewKey && this.reassembler.busy) this.dropFragments('a key change between fragments')
      this.#handleAuthentic(frame, now)
    } catch (error) {
      this.context.handleFrameError(asUsmpError(error, 'CRYPTO_FAILED'), true)
    }
  }

  /**
   * Drops a half-built message that will not be completed.
   * @throws UsmpError BAD_FRAGMENT where that ends the session
   */
  protected dropFragments(detail: string): void {
    this.reassembler.reset()
    throw new UsmpError('BAD_FRAGMENT', detail)
  }

  #handleAuthentic({ type, seq, plaintext }: ReceivedFrame, now: number): void {
    if (isMessageFrame(type)) {
      const data = this.reassembler.push(type, seq, plaintext)
      if (data && !this.closing) this.context.report({ kind: 'message', data })
      return
    }
    this.#checkPlaintextSize(type, plaintext)
    if (this.reassembler.busy) this.dropFragments(`${packetTypeName(type)} between fragments`)
    switch (type) {
      case PacketType.PING:
      case PacketType.PONG:
        return this.#handleControl(type, now)
      case PacketType.BYE:
        return this.context.fail(this.closing ?? CLOSED_THERE)
      case PacketType.REKEY:
        this.keepAlive.countRekey(now)
        this.context.reliability?.sealPendingFragments(this.records)
        this.records.acceptRekey(plaintext)
        return
      default:
        this.context.report({ kind: 'extension', type, data: plaintext })
    }
  }

  #handleControl(type: number, now: number): void {
    const roundTrip = type === PacketType.PONG ? this.keepAlive.onPong(now) : undefined
    if (roundTrip !== undefined) return this.context.report({ kind: 'pong', roundTrip })
    this.keepAlive.countControl(now)
    if (type === PacketType.PING && this.keepAlive.takePong(now)) this.sendControl(PacketType.PONG, EMPTY, now)
  }

  #isSessionType(type: number): boolean {
    return type in this.protocol.sessionTypes || (this.context.extensions?.includes(type) ?? false)
  }

  /** What a type has inside, where that is fixed (specification, section 4.3, step 8). */
  #checkPlaintextSize(type: number, plaintext: Uint8Array): void {
    const expected = this.protocol.sessionTypes[type]
    if (typeof expected !== 'number' || plaintext.length === expected) return
    throw new UsmpError('BAD_PAYLOAD', `${packetTypeName(type)} with ${plaintext.length} bytes instead of ${expected}`)
  }

  // ─── what the application wants ───

  /**
   * Seals a message that was checked.
   * @throws UsmpError why the session ended, SEQ_EXHAUSTED, CRYPTO_FAILED; on datagrams QUEUE_FULL
   */
  send(message: Uint8Array, now: number): void {
    this.sendFrames(splitMessage(message, this.#limits), now)
  }

  /**
   * Seals one frame of an extension type.
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE, and as {@link send}
   */
  sendExtension(type: number, data: Uint8Array, now: number): void {
    if (!this.context.extensions?.includes(type)) {
      throw new UsmpError('INVALID_ARGUMENT', `packet type ${packetTypeName(type)} is not registered`)
    }
    assertMessage(data, this.#limits.maxPlaintext)
    this.sendFrames([{ type, plaintext: data }], now)
  }

  /** @throws UsmpError why the session ended */
  ping(now: number): void {
    this.keepAlive.requestPing()
    this.#pingIfDue(now)
    this.#throwIfEnded()
  }

  /** @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED, and as {@link send} */
  rekey(now: number): void {
    const { version, sessionTypes } = this.protocol
    if (!(PacketType.REKEY in sessionTypes)) {
      throw new UsmpError('INVALID_ARGUMENT', `wire version ${version} has no REKEY`)
    }
    // First, as it is code of the caller, which may begin a rekey itself or end the session.
    const salt = this.context.random(REKEY_SALT_SIZE)
    this.#throwIfEnded()
    if (this.rekeying) throw new UsmpError('INVALID_ARGUMENT', 'a rekey is under way already')
    if (!this.#rekeys.spend(REKEY_COST, now)) {
      throw new UsmpError('INVALID_ARGUMENT', 'rekeys come too fast: at most 16 in a burst, and one in 4 s')
    }
    this.sendRekey(salt, now)
    // The PONG is the frame under the new keys that completes the change. It may have to wait for the limit of PINGs.
    this.keepAlive.requestNewPing()
    this.#pingIfDue(now)
  }

  /** Ends the session with a BYE. Never throws. */
  close(reason: UsmpError, _by: number): void {
    try {
      this.context.transmit(this.records.seal(PacketType.BYE, EMPTY))
    } catch {
      // No number is left, or the provider failed: the session ends without the courtesy.
    }
    this.context.fail(reason)
  }

  /** Forgets the secrets and does nothing more. The connection calls it once, at its end. */
  end(reason: UsmpError): void {
    this.endReason = reason
    this.reassembler.reset()
    this.records.wipe()
  }

  // ─── time ───

  /** Does what the time asks for: idle end, PING. Never throws. */
  handleTimeout(now: number): void {
    const { drops, fail } = this.context
    if (now >= this.keepAlive.idleAt) fail(new UsmpError('IDLE_TIMEOUT', drops.describe()))
    else this.#pingIfDue(now)
  }

  #pingIfDue(now: number): void {
    if (!this.keepAlive.isPingDue(now)) return
    try {
      this.sendControl(PacketType.PING, EMPTY, now)
      this.keepAlive.onPingSent(now)
    } catch {
      // The connection has ended and reports why.
    }
  }

  // ─── frames out ───

  /** Sends the frames of one message. */
  protected sendFrames(frames: readonly PlaintextFrame[], now: number): void {
    if (frames.length > this.records.remaining) this.failWith(new UsmpError('SEQ_EXHAUSTED'))
    for (const { type, plaintext } of frames) this.sendControl(type, plaintext, now)
  }

  /** Sends a frame that is no message. */
  protected sendControl(type: number, plaintext: Uint8Array, now: number): void {
    this.#transmit(() => this.records.seal(type, plaintext))
    this.keepAlive.onSent(now)
  }

  /** Whether a REKEY of this end is under way. */
  protected get rekeying(): boolean {
    return this.records.rekeying
  }

  /** @param salt goes to the peer, and both ends make the new keys of it */
  protected sendRekey(salt: Uint8Array, _now: number): void {
    this.#transmit(() => this.records.startRekey(salt))
  }

  #throwIfEnded(): void {
    const reason = this.endReason ?? this.closing
    if (reason) throw reason
  }

  /** Ends the connection and tells the caller. */
  protected failWith(error: UsmpError): never {
    this.context.fail(error)
    throw error
  }

  /** A number is used up, and perhaps half a message sent: where sealing fails the session cannot go on. */
  #transmit(seal: () => Uint8Array): void {
    let frame: Uint8Array
    try {
      frame = seal()
    } catch (error) {
      this.failWith(asUsmpError(error, 'CRYPTO_FAILED'))
    }
    this.context.transmit(frame)
  }
}

export function unexpected(type: number): UsmpError {
  return new UsmpError('UNEXPECTED_PACKET', packetTypeName(type))
}

/** Whether a type carries a message or a fragment of one. */
export function isMessageFrame(type: number): type is typeof PacketType.DATA | typeof PacketType.DATA_FRAG {
  return type === PacketType.DATA || type === PacketType.DATA_FRAG
}
