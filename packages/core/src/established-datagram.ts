import { closeTimeout, cutShort } from './close.js'
import type { ConnectionContext } from './connection-context.js'
import { PacketType, packetTypeName } from './constants.js'
import type { PlaintextFrame, ReceivedFrame, ReliableDatagram } from './datagram.js'
import { asUsmpError, UsmpError } from './errors.js'
import { Established, isMessageFrame, unexpected } from './established.js'
import type { MessageLimits } from './fragment.js'
import type { Frame } from './frame.js'
import type { HandshakeResult } from './handshake/handshake.js'
import { ReplayWindow } from './replay.js'
import type { WireProtocol } from './wire-protocol.js'

/**
 * A session on datagrams (specification, section 7): what is sent waits for its turn in the {@link ReliableDatagram}, which
 * repeats it; what arrives may be late, out of order, or a repeat.
 *
 * The {@link ReliableDatagram} brings the class, so that pages, which have no datagrams, do not carry it, and calls
 * `onAcknowledged`. The `Connection` makes it, and uses it as an {@link Established}. It owns the close that is under way: the
 * end comes when everything sent has arrived.
 */
export class EstablishedDatagram extends Established {
  readonly #reliability: ReliableDatagram
  /** Once this side has asked for the end: what comes when everything sent has arrived. */
  #closing: UsmpError | undefined
  /** How long the end waits for that, ms, and until when. Nothing that arrives moves it. */
  #closeTimeout = Number.POSITIVE_INFINITY
  #closeBy = Number.POSITIVE_INFINITY

  constructor(
    context: ConnectionContext,
    protocol: WireProtocol,
    limits: MessageLimits,
    result: HandshakeResult,
    client: boolean,
    now: number,
  ) {
    super(context, protocol, limits, result, client, now, ReplayWindow)
    this.#reliability = context.reliability!
    this.#reliability.attach(this)
  }

  override get closing(): UsmpError | undefined {
    return this.#closing
  }

  override get deadline(): number {
    return Math.min(super.deadline, this.#closeBy, this.#reliability.deadline)
  }

  override get endsAt(): number {
    return Math.min(super.endsAt, this.#closeBy, this.#reliability.lossAt)
  }

  // ─── what arrives ───

  override receive(frame: Frame, now: number): void {
    const { records } = this
    const reliability = this.#reliability
    if (this.protocol.handshakeTypes.includes(frame.type)) throw unexpected(frame.type)
    const seen = records.keyOfSeen(frame.seq)
    if (!reliability.reading && !seen && !this.#hasFixedSize(frame.type)) {
      // It will come again. Until then it says that the peer lives, and may be as slow as this end.
      if (records.isGenuine(frame)) reliability.onReceived(now)
      throw new UsmpError('QUEUE_FULL', 'the application does not read')
    }
    const { rekeying } = records
    try {
      super.receive(frame, now)
      if (rekeying && !records.rekeying) reliability.rekeyAnswered()
    } catch (error) {
      // Its acknowledgement was lost. What is too old to be told from a forgery gets none (specification, section 7.4).
      if (error instanceof UsmpError && error.code === 'REPLAYED' && seen) reliability.acknowledge(frame, seen)
      throw error
    } finally {
      this.#sendReady(now)
    }
  }

  /** The peer has acknowledged something. */
  onAcknowledged(now: number): void {
    this.#sendReady(now)
    if (this.#closing && this.#reliability.idle) this.context.fail(this.#closing)
  }

  protected override accept(frame: ReceivedFrame, isNewKey: boolean, now: number): void {
    const reliability = this.#reliability
    reliability.onReceived(now)
    reliability.acknowledge(frame, this.records.receiveKey)
    reliability.handshakeAnswered()
    if (isNewKey) this.#handleAll(reliability.beginEpoch(), now)
    // Fragments under two keys are not one message (specification, section 4.6).
    const isBroken = isNewKey && this.reassembler.busy
    if (isBroken) this.dropFragments()
    // The rest of the message that was dropped, perhaps.
    const isRest = isBroken && isMessageFrame(frame.type)
    this.#handleAll(isRest ? reliability.skip(frame.seq, now) : reliability.inOrder(frame, now), now)
  }

  /** Others may come behind it: what cannot be completed is lost, and nothing else. */
  protected override dropFragments(): void {
    this.reassembler.reset()
    this.context.drops.count('BAD_FRAGMENT')
  }

  #handleAll(frames: readonly ReceivedFrame[], now: number): void {
    for (const frame of frames) if (!this.endReason) this.handle(frame, false, now)
  }

  #hasFixedSize(type: number): boolean {
    return typeof this.protocol.sessionTypes[type] === 'number'
  }

  // ─── the end, and time ───

  /** The end comes when everything that was sent, and then the BYE, has arrived. Without a number for the BYE it is at once. */
  override close(reason: UsmpError, by: number): void {
    const reliability = this.#reliability
    if (!this.#closing && this.records.remaining <= reliability.waitingFrames) return super.close(reason, by)
    if (!this.#closing) reliability.postBye()
    this.#closing ??= reason
    this.#closeTimeout = Math.min(this.#closeTimeout, closeTimeout(reason))
    this.#closeBy = Math.min(this.#closeBy, by)
  }

  override handleTimeout(now: number): void {
    super.handleTimeout(now)
    if (this.endReason) return
    const reliability = this.#reliability
    const lost = reliability.handleTimeout(now)
    this.#closeBy = Math.min(this.#closeBy, now + this.#closeTimeout)
    if (lost || now >= this.#closeBy) {
      if (this.#closing && !reliability.hasUndelivered) return this.context.fail(this.#closing)
      const detail = lost ? `${packetTypeName(lost.type)} ${lost.seq} was not acknowledged` : 'messages did not arrive'
      return this.context.fail(cutShort(this.#closing, detail))
    }
    this.#handleAll(reliability.expire(now), now)
    this.#sendReady(now)
  }

  // ─── frames out ───

  protected override sendFrames(frames: readonly PlaintextFrame[], now: number): void {
    const reliability = this.#reliability
    if (frames.length > this.records.remaining - reliability.waitingFrames)
      this.failWith(new UsmpError('SEQ_EXHAUSTED'))
    reliability.post(frames)
    this.#sendReady(now)
    if (this.endReason) throw this.endReason
  }

  protected override sendControl(type: number, plaintext: Uint8Array, now: number): void {
    this.#reliability.postUrgent({ type, plaintext })
    this.keepAlive.onSent(now)
    this.#sendReady(now)
  }

  protected override get rekeying(): boolean {
    return super.rekeying || this.#reliability.rekeyWaiting
  }

  protected override sendRekey(salt: Uint8Array, now: number): void {
    this.#reliability.postUrgent({ type: PacketType.REKEY, plaintext: salt })
    this.#sendReady(now)
  }

  /** Sends what waits, as far as it may go; ends the connection where sealing fails. */
  #sendReady(now: number): void {
    if (this.endReason) return
    try {
      const sent = this.#reliability.sendReady(this.records, now)
      if (sent.length > 0) this.keepAlive.onSent(now)
    } catch (error) {
      this.context.fail(asUsmpError(error, 'CRYPTO_FAILED'))
    }
  }
}
