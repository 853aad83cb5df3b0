import { EMPTY } from './bytes.js'
import { CLOSED_THERE, closeTimeout, cutShort } from './close.js'
import type { ConnectionContext } from './connection-context.js'
import { KEEPALIVE_TIME, PacketType, packetTypeName, REKEY_BUDGET, REKEY_COST, REKEY_SALT_SIZE } from './constants.js'
import type { PlaintextFrame, ReceivedFrame, ReliableDatagram } from './datagram.js'
import { asUsmpError, UsmpError } from './errors.js'
import { type MessageLimits, Reassembler, splitMessage } from './fragment.js'
import type { Frame } from './frame.js'
import type { HandshakeResult } from './handshake/handshake.js'
import { Budget, KeepAlive, PING_TIMEOUT } from './keepalive.js'
import { RecordLayer } from './record-layer.js'
import type { WireProtocol } from './wire-protocol.js'

/**
 * A session: what a connection is between the end of its handshake and its own end.
 *
 * The `Connection` makes it, hands it frames (`receive`), acknowledgements (`onAcknowledged`), time (`handleTimeout`) and
 * what the application wants (`send`, `ping`, `rekey`, `close`), and calls `end` once. It owns the record layer, the
 * keep-alive, the half-built message, the budget for rekeys, and the close that is under way. It never decides whether a
 * fault ends the connection, and nothing in it may move for a frame that is not authentic.
 */
export class Established {
  readonly kind = 'established'
  readonly #context: ConnectionContext
  readonly #protocol: WireProtocol
  readonly #limits: MessageLimits
  readonly #records: RecordLayer
  readonly #keepAlive: KeepAlive
  readonly #reassembler: Reassembler
  readonly #rekeys: Budget
  /** On datagrams, once this side has asked for the end: what comes when everything sent has arrived. */
  #closing: UsmpError | undefined
  /** How long the end waits for that, ms, and until when. Nothing that arrives moves it. */
  #closeTimeout = Number.POSITIVE_INFINITY
  #closeBy = Number.POSITIVE_INFINITY
  #endReason: UsmpError | undefined

  /** @param client whether this end is the client, which wins if both ends rekey at once */
  constructor(
    context: ConnectionContext,
    protocol: WireProtocol,
    limits: MessageLimits,
    result: HandshakeResult,
    client: boolean,
    now: number,
  ) {
    const { provider, reliability, idleTimeout } = context
    this.#context = context
    this.#protocol = protocol
    this.#limits = limits
    this.#records = new RecordLayer(provider, protocol, result, !reliability, client)
    const keepalive = context.keepalive ?? (client ? KEEPALIVE_TIME : 0)
    const pingTimeout = reliability ? PING_TIMEOUT : Number.POSITIVE_INFINITY
    this.#keepAlive = new KeepAlive({ keepalive, idleTimeout, pingTimeout }, now)
    this.#reassembler = new Reassembler(limits.maxFragments)
    this.#rekeys = new Budget(REKEY_BUDGET, now)
  }

  /** On datagrams, after `close`: the reason that the end will have. */
  get closing(): UsmpError | undefined {
    return this.#closing
  }

  /** When the peer was last heard, or reading went on, ms. */
  get lastReceived(): number {
    return this.#keepAlive.lastReceived
  }

  /** When {@link handleTimeout} has something to do; infinite if never. */
  get deadline(): number {
    return Math.min(this.#keepAlive.deadline, this.#closeBy)
  }

  /** When {@link handleTimeout} will end the session, if nothing comes until then; infinite if never. */
  get endsAt(): number {
    return Math.min(this.#keepAlive.idleAt, this.#closeBy)
  }

  // ─── what arrives ───

  /**
   * Handles one frame that is not of the handshake.
   * @throws UsmpError the fault of the frame
   */
  receive(frame: Frame, now: number): void {
    const { reliability } = this.#context
    if (!reliability) return this.#receiveSealed(frame, now)
    if (this.#protocol.handshakeTypes.includes(frame.type)) throw unexpected(frame.type)
    const seen = this.#records.keyOfSeen(frame.seq)
    if (!reliability.reading && !seen && !this.#hasFixedSize(frame.type)) {
      // It will come again. Until then it says that the peer lives, and may be as slow as this end.
      if (this.#records.isGenuine(frame)) reliability.onReceived(now)
      throw new UsmpError('QUEUE_FULL', 'the application does not read')
    }
    try {
      this.#receiveSealed(frame, now)
    } catch (error) {
      // Its acknowledgement was lost. What is too old to be told from a forgery gets none (specification, section 7.4).
      if (error instanceof UsmpError && error.code === 'REPLAYED' && seen) reliability.acknowledge(frame, seen)
      throw error
    } finally {
      this.#sendReady(reliability, now)
    }
  }

  /** On datagrams: the peer has acknowledged something. */
  onAcknowledged(reliability: ReliableDatagram, now: number): void {
    this.#sendReady(reliability, now)
    if (this.#closing && reliability.idle) this.#context.fail(this.#closing)
  }

  /** Says whether the transport is being read; while it is not, the peer's silence does not end the session. */
  setReading(reading: boolean, now: number): void {
    this.#keepAlive.setReading(reading, now)
  }

  #receiveSealed(frame: Frame, now: number): void {
    const { reliability } = this.#context
    const records = this.#records
    records.checkReplay(frame.seq)
    if (!this.#isSessionType(frame.type)) throw unexpected(frame.type)
    const { rekeying, receiveEpoch } = records
    const opened = { type: frame.type, seq: frame.seq, plaintext: records.open(frame) }
    const isNewKey = records.receiveEpoch !== receiveEpoch
    this.#keepAlive.onReceived(now)
    if (reliability) {
      reliability.onReceived(now)
      reliability.acknowledge(frame, records.receiveKey)
      reliability.handshakeAnswered()
      if (isNewKey) this.#handleAll(reliability.beginEpoch(), now)
    }
    // Fragments under two keys are not one message (specification, section 4.6).
    const broken = isNewKey && this.#reassembler.busy
    if (broken) {
      this.#reassembler.reset()
      const error = new UsmpError('BAD_FRAGMENT', 'a key change between fragments')
      if (!reliability) return this.#context.handleFrameError(error, true)
      this.#context.drops.count(error.code)
    }
    // The rest of the message that was dropped, perhaps.
    if (reliability && broken && isMessageFrame(frame.type)) this.#handleAll(reliability.skip(frame.seq, now), now)
    else if (reliability) this.#handleAll(reliability.inOrder(opened, now), now)
    else this.#handle(opened, now)
    if (!rekeying || records.rekeying) return
    reliability?.rekeyAnswered()
    if (!this.#endReason) this.#context.report({ kind: 'rekeyed' })
  }

  #handleAll(frames: readonly ReceivedFrame[], now: number): void {
    for (const frame of frames) if (!this.#endReason) this.#handle(frame, now)
  }

  /** Handles an authentic frame; a fault costs the frame, or the session. */
  #handle(frame: ReceivedFrame, now: number): void {
    try {
      this.#handleAuthentic(frame, now)
    } catch (error) {
      this.#context.handleFrameError(asUsmpError(error, 'CRYPTO_FAILED'), true)
    }
  }

  #handleAuthentic({ type, seq, plaintext }: ReceivedFrame, now: number): void {
    const { drops, reliability } = this.#context
    if (isMessageFrame(type)) {
      const data = this.#reassembler.push(type, seq, plaintext)
      if (data && !this.#closing) this.#context.report({ kind: 'message', data })
      return
    }
    this.#checkPlaintextSize(type, plaintext)
    if (this.#reassembler.busy) {
      this.#reassembler.reset()
      if (!reliability) throw new UsmpError('BAD_FRAGMENT', `${packetTypeName(type)} between fragments`)
      drops.count('BAD_FRAGMENT')
    }
    switch (type) {
      case PacketType.PING:
      case PacketType.PONG:
        return this.#handleControl(type, now)
      case PacketType.BYE:
        return this.#context.fail(this.#closing ?? CLOSED_THERE)
      case PacketType.REKEY:
        this.#keepAlive.countRekey(now)
        reliability?.sealPendingFragments(this.#records)
        this.#records.acceptRekey(plaintext)
        return
      default:
        this.#context.report({ kind: 'extension', type, data: plaintext })
    }
  }

  #handleControl(type: number, now: number): void {
    const roundTrip = type === PacketType.PONG ? this.#keepAlive.onPong(now) : undefined
    if (roundTrip !== undefined) return this.#context.report({ kind: 'pong', roundTrip })
    this.#keepAlive.countControl(now)
    if (type === PacketType.PING && this.#keepAlive.takePong(now)) this.#sendSealed(PacketType.PONG, EMPTY, now)
  }

  #isSessionType(type: number): boolean {
    return type in this.#protocol.sessionTypes || (this.#context.extensions?.includes(type) ?? false)
  }

  #hasFixedSize(type: number): boolean {
    return typeof this.#protocol.sessionTypes[type] === 'number'
  }

  /** What a type has inside, where that is fixed (specification, section 4.3, step 8). */
  #checkPlaintextSize(type: number, plaintext: Uint8Array): void {
    const expected = this.#protocol.sessionTypes[type]
    if (typeof expected !== 'number' || plaintext.length === expected) return
    throw new UsmpError('BAD_PAYLOAD', `${packetTypeName(type)} with ${plaintext.length} bytes instead of ${expected}`)
  }

  // ─── what the application wants ───

  /**
   * Seals a message that was checked.
   * @throws UsmpError why the session ended, SEQ_EXHAUSTED, CRYPTO_FAILED; on datagrams QUEUE_FULL
   */
  send(message: Uint8Array, now: number): void {
    const { reliability } = this.#context
    const fragments = splitMessage(message, this.#limits)
    if (reliability) return this.#post(reliability, fragments, now)
    if (fragments.length > this.#records.remaining) this.#end(new UsmpError('SEQ_EXHAUSTED'))
    for (const { type, plaintext } of fragments) this.#sendSealed(type, plaintext, now)
  }

  /**
   * Seals one frame of an extension type.
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE, and as {@link send}
   */
  sendExtension(type: number, data: Uint8Array, now: number): void {
    const { reliability, extensions } = this.#context
    const { maxPlaintext } = this.#limits
    if (!extensions?.includes(type)) {
      throw new UsmpError('INVALID_ARGUMENT', `packet type ${packetTypeName(type)} is not registered`)
    }
    if (data.length > maxPlaintext) {
      throw new UsmpError('MESSAGE_TOO_LARGE', `${data.length} bytes, and an extension frame takes ${maxPlaintext}`)
    }
    if (reliability) this.#post(reliability, [{ type, plaintext: data }], now)
    else this.#sendSealed(type, data, now)
  }

  /** @throws UsmpError why the session ended */
  ping(now: number): void {
    this.#keepAlive.requestPing()
    this.#pingIfDue(now)
    this.#throwIfEnded()
  }

  /** @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED, and as {@link send} */
  rekey(now: number): void {
    const { random, reliability } = this.#context
    const { version, sessionTypes } = this.#protocol
    if (!(PacketType.REKEY in sessionTypes)) {
      throw new UsmpError('INVALID_ARGUMENT', `wire version ${version} has no REKEY`)
    }
    // First, as it is code of the caller, which may begin a rekey itself or end the session.
    const salt = random(REKEY_SALT_SIZE)
    this.#throwIfEnded()
    if (this.#records.rekeying || reliability?.rekeyWaiting) {
      throw new UsmpError('INVALID_ARGUMENT', 'a rekey is under way already')
    }
    if (!this.#rekeys.spend(REKEY_COST, now)) {
      throw new UsmpError('INVALID_ARGUMENT', 'rekeys come too fast: at most 16 in a burst, and one in 4 s')
    }
    if (reliability) {
      reliability.postUrgent({ type: PacketType.REKEY, plaintext: salt })
      this.#sendReady(reliability, now)
    } else this.#transmitSealed(() => this.#records.startRekey(salt))
    // The PONG is the frame under the new keys that completes the change. It may have to wait for the limit of PINGs.
    this.#keepAlive.requestNewPing()
    this.#pingIfDue(now)
  }

  /** Ends the session with a BYE. On datagrams the end comes later: see `Connection.close`. Never throws. */
  close(reason: UsmpError, by: number): void {
    const { reliability } = this.#context
    if (reliability && (this.#closing || this.#records.remaining > reliability.waitingFrames)) {
      if (!this.#closing) reliability.postBye()
      this.#closing ??= reason
      this.#closeTimeout = Math.min(this.#closeTimeout, closeTimeout(reason))
      this.#closeBy = Math.min(this.#closeBy, by)
      return
    }
    try {
      this.#context.transmit(this.#records.seal(PacketType.BYE, EMPTY))
    } catch {
      // No number is left, or the provider failed: the session ends without the courtesy.
    }
    this.#context.fail(reason)
  }

  /** Forgets the secrets and does nothing more. The connection calls it once, at its end. */
  end(reason: UsmpError): void {
    this.#endReason = reason
    this.#reassembler.reset()
    this.#records.wipe()
  }

  // ─── time ───

  /** Does what the time asks for: idle end, PING, repeats. Never throws. */
  handleTimeout(now: number): void {
    const { reliability, drops } = this.#context
    if (now >= this.#keepAlive.idleAt) this.#context.fail(new UsmpError('IDLE_TIMEOUT', drops.describe()))
    else this.#pingIfDue(now)
    if (reliability && !this.#endReason) this.#handleReliabilityTimeout(reliability, now)
  }

  #handleReliabilityTimeout(reliability: ReliableDatagram, now: number): void {
    const lost = reliability.handleTimeout(now)
    this.#closeBy = Math.min(this.#closeBy, now + this.#closeTimeout)
    if (lost || now >= this.#closeBy) {
      if (this.#closing && !reliability.hasUndelivered) return this.#context.fail(this.#closing)
      const detail = lost ? `${packetTypeName(lost.type)} ${lost.seq} was not acknowledged` : 'messages did not arrive'
      return this.#context.fail(cutShort(this.#closing, detail))
    }
    this.#handleAll(reliability.expire(now), now)
    this.#sendReady(reliability, now)
  }

  #pingIfDue(now: number): void {
    if (!this.#keepAlive.isPingDue(now)) return
    try {
      this.#sendSealed(PacketType.PING, EMPTY, now)
      this.#keepAlive.onPingSent(now)
    } catch {
      // The connection has ended and reports why.
    }
  }

  // ─── frames out ───

  #sendSealed(type: number, plaintext: Uint8Array, now: number): void {
    const { reliability } = this.#context
    if (reliability) {
      reliability.postUrgent({ type, plaintext })
      this.#keepAlive.onSent(now)
      return this.#sendReady(reliability, now)
    }
    this.#transmitSealed(() => this.#records.seal(type, plaintext))
    this.#keepAlive.onSent(now)
  }

  #post(reliability: ReliableDatagram, frames: readonly PlaintextFrame[], now: number): void {
    if (frames.length > this.#records.remaining - reliability.waitingFrames) this.#end(new UsmpError('SEQ_EXHAUSTED'))
    reliability.post(frames)
    this.#sendReady(reliability, now)
    if (this.#endReason) throw this.#endReason
  }

  /** Sends what waits, as far as it may go; ends the connection where sealing fails. */
  #sendReady(reliability: ReliableDatagram, now: number): void {
    if (this.#endReason) return
    try {
      const sent = reliability.sendReady(this.#records, now)
      if (sent.length > 0) this.#keepAlive.onSent(now)
    } catch (error) {
      this.#context.fail(asUsmpError(error, 'CRYPTO_FAILED'))
    }
  }

  #throwIfEnded(): void {
    const reason = this.#endReason ?? this.#closing
    if (reason) throw reason
  }

  /** Ends the connection and tells the caller. */
  #end(error: UsmpError): never {
    this.#context.fail(error)
    throw error
  }

  /** A number is used up, and perhaps half a message sent: where sealing fails the session cannot go on. */
  #transmitSealed(seal: () => Uint8Array): void {
    let frame: Uint8Array
    try {
      frame = seal()
    } catch (error) {
      this.#end(asUsmpError(error, 'CRYPTO_FAILED'))
    }
    this.#context.transmit(frame)
  }
}

function unexpected(type: number): UsmpError {
  return new UsmpError('UNEXPECTED_PACKET', packetTypeName(type))
}

/** Whether a type carries a message or a fragment of one. */
function isMessageFrame(type: number): type is typeof PacketType.DATA | typeof PacketType.DATA_FRAG {
  return type === PacketType.DATA || type === PacketType.DATA_FRAG
}
