import { Arq, type SentFrame } from './arq.js'
import { assertInteger, copyBytes, copySecret, EMPTY, equalBytes, wipe } from './bytes.js'
import type { CommonOptions } from './connection-options.js'
import { PacketType } from './constants.js'
import type { CryptoProvider, RandomSource } from './crypto.js'
import type { Drops } from './drops.js'
import { UsmpError } from './errors.js'
import type { Established } from './established.js'
import { EstablishedDatagram } from './established-datagram.js'
import type { Frame } from './frame.js'
import type { HandshakeStep } from './handshake/handshake.js'
import type { RecordLayer } from './record-layer.js'
import { Reorder } from './reorder.js'
import { decodeUtack, encodeUtack, isHandshakeType, isUtack, verifyUtack } from './utack.js'

/** Most frames under way at once (specification, section 7.5). */
const MAX_IN_FLIGHT = 8
/** Handshake frames remembered as accepted; the oldest gives way. An honest handshake has three. */
const MAX_REMEMBERED = 8
/** So much may wait before the messages; a peer whose PINGs would make it more gets no PONG for now. */
const MAX_URGENT = 8
/** Messages that may wait to be sent. */
const MAX_WAITING_MESSAGES = 64

/** How datagrams are used. */
export interface DatagramOptions {
  /**
   * Messages of one frame that are under way at once, 1–8; default 8. 1 keeps the order towards receivers that hand messages
   * on as they arrive, as published peers and the C core do: behind a loss, with several under way, they see another one.
   */
  readonly maxInFlight?: number
  /** Messages received come in the order of sending (default), or as they arrive. */
  readonly delivery?: 'in-order' | 'on-arrival'
}

/** What stands in a sealed frame. */
export interface PlaintextFrame {
  readonly type: number
  readonly plaintext: Uint8Array
}

/** An authentic frame that was opened. */
export interface ReceivedFrame extends PlaintextFrame {
  readonly seq: number
}

/**
 * What a connection has to do besides where bytes may be lost, repeated and reordered (specification, section 7):
 * acknowledges what was accepted, repeats what was not acknowledged, knows repeats of the handshake, lets frames wait
 * that must not be under way beside others, and restores the order of what arrives.
 *
 * A `Connection` is handed this class and makes one with `of`. It hands it each datagram first, each step of the handshake,
 * and the time. The session that it then makes is of the class `Session`; only that one posts frames. Nothing is acknowledged
 * before the caller says that it was accepted, and no acknowledgement counts that the peer did not make.
 */
export class ReliableDatagram {
  /** The class of the session that follows the handshake. */
  readonly Session: typeof Established = EstablishedDatagram
  readonly #provider: CryptoProvider
  readonly #transmit: (datagram: Uint8Array) => void
  readonly #arq: Arq
  readonly #order: Reorder<ReceivedFrame | undefined> | undefined
  /** Once the handshake is done. */
  #session: EstablishedDatagram | undefined
  #remembered: Frame[] = []
  /** The rest of a message: nothing may come between. */
  #pendingFragments: PlaintextFrame[] = []
  /** The rest of a message that was sealed before its turn, as the key changed. */
  #sealed: SentFrame[] = []
  #urgent: PlaintextFrame[][] = []
  #messages: PlaintextFrame[][] = []
  /** The last frame, which waits for all others. It needs no place among them. */
  #bye: PlaintextFrame[] | undefined
  #byeSent = false
  /** Something was posted that {@link sendReady} has not looked at. */
  #posted = false
  #reading = true

  /**
   * @param jitter at random from 0 up to, and not including, 1
   * @param transmit takes datagrams that must leave
   * @throws UsmpError INVALID_ARGUMENT
   */
  constructor(
    provider: CryptoProvider,
    { maxInFlight = MAX_IN_FLIGHT, delivery = 'in-order' }: DatagramOptions,
    jitter: number,
    transmit: (datagram: Uint8Array) => void,
  ) {
    assertInteger('maxInFlight', maxInFlight, 1, MAX_IN_FLIGHT)
    this.#provider = provider
    this.#transmit = transmit
    this.#arq = new Arq(maxInFlight, jitter)
    this.#order = delivery === 'in-order' ? new Reorder() : undefined
  }

  /**
   * Makes the one of a connection.
   * @param transmit takes datagrams that must leave
   * @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED
   */
  static of(
    { datagram = {}, unsafeWireVersion1 }: CommonOptions,
    provider: CryptoProvider,
    random: RandomSource,
    transmit: (datagram: Uint8Array) => void,
  ): ReliableDatagram {
    if (unsafeWireVersion1) {
      throw new UsmpError('INVALID_ARGUMENT', 'wire version 1 is not spoken on datagram transports')
    }
    return new ReliableDatagram(provider, datagram, random(1)[0]! / 256, transmit)
  }

  // ─── handshake ───

  /** Sends a plain frame, and again until it is acknowledged or answered. HELLO_RETRY is sent once (section 7.2). */
  sendHandshake(frame: Frame, bytes: Uint8Array, now: number): void {
    this.#transmit(bytes)
    if (frame.type === PacketType.HELLO_RETRY) return
    const { type, seq } = frame
    // The server may lose its HELLO_RETRY and not repeat it.
    const untilAnswered = type === PacketType.HELLO
    // The only frame of the handshake that is sent in a session.
    const mustDeliver = type === PacketType.SESSION_OK
    this.#arq.sent({ type, seq, bytes, key: EMPTY, epoch: -1, exclusive: true, mustDeliver, untilAnswered }, now)
  }

  /** What was sent has been answered: nothing of it is repeated. */
  handshakeAnswered(): void {
    this.#arq.answered(({ type }) => isHandshakeType(type))
  }

  /** Does what a handshake frame that was accepted means for acknowledgements and repeats. */
  onHandshakeStep(frame: Frame, { restarted, stateless, progress }: HandshakeStep): void {
    if (restarted) this.restartHandshake()
    if (stateless) this.acknowledge(frame, EMPTY)
    else this.acceptHandshake(frame)
    if (progress) this.handshakeAnswered()
  }

  /** Acknowledges a handshake frame that was accepted, and its repeats from now on. */
  acceptHandshake(frame: Frame): void {
    this.acknowledge(frame, EMPTY)
    if (this.#remembered.length === MAX_REMEMBERED) this.#remembered.shift()
    this.#remembered.push({ ...frame, payload: copyBytes(frame.payload) })
  }

  /** Whether a handshake frame was accepted before; then it is acknowledged again, and that is all (section 7.8). */
  isHandshakeRepeat(frame: Frame): boolean {
    const known = this.#remembered.some(
      ({ type, seq, payload }) => type === frame.type && seq === frame.seq && equalBytes(payload, frame.payload),
    )
    if (known) this.acknowledge(frame, EMPTY)
    return known
  }

  /** Tells the session of acknowledgements from now on. */
  attach(session: EstablishedDatagram): void {
    this.#session = session
  }

  /** Forgets a handshake that the peer has started again. */
  restartHandshake(): void {
    this.#remembered = []
    this.#arq.clear()
  }

  // ─── acknowledgements ───

  /** @param key the key that the frame came under */
  acknowledge({ type, seq }: { readonly type: number; readonly seq: number }, key: Uint8Array): void {
    this.#transmit(encodeUtack(this.#provider, type, seq, key))
  }

  /**
   * Takes a datagram if it is an acknowledgement.
   * @param drops counts one that is malformed or forged
   * @returns whether it is one; anything else is meant as a frame
   */
  receiveUtack(datagram: Uint8Array, now: number, drops: Drops): boolean {
    if (!isUtack(datagram)) return false
    const utack = decodeUtack(datagram)
    if (!utack) {
      drops.count('BAD_PAYLOAD')
      return true
    }
    const isGood = (key: Uint8Array) => verifyUtack(this.#provider, datagram, key)
    const verdict = this.#arq.acknowledge(utack.type, utack.seq, now, isGood)
    if (verdict === 'bad') drops.count('DECRYPT_FAILED')
    if (verdict !== 'good') return true
    if (!isHandshakeType(utack.type)) this.onReceived(now)
    this.#session?.onAcknowledged(now)
    return true
  }

  /** A frame under the keys of our REKEY, or a REKEY that wins over it, stands for its acknowledgement (section 5.6). */
  rekeyAnswered(): void {
    this.#arq.answered(({ type }) => type === PacketType.REKEY)
  }

  // ─── what is to be sent ───

  /** Messages that wait because others are under way. */
  get waiting(): number {
    return this.#messages.length + (this.#pendingFragments.length + this.#sealed.length > 0 ? 1 : 0)
  }

  /** How many sequence numbers the waiting frames will use. */
  get waitingFrames(): number {
    const waiting = [...this.#urgent, ...this.#messages]
    return waiting.reduce((sum, frames) => sum + frames.length, this.#pendingFragments.length + (this.#bye ? 1 : 0))
  }

  /** Whether everything that was posted has arrived. */
  get idle(): boolean {
    return this.#arq.empty && this.#sealed.length === 0 && this.waitingFrames === 0
  }

  /** Whether messages of the application have not arrived yet, as far as is known. */
  get hasUndelivered(): boolean {
    if (this.#sealed.length > 0 || this.#pendingFragments.some(isMessage)) return true
    return this.#messages.some((frames) => frames.some(isMessage)) || this.#arq.some(isMessage)
  }

  /**
   * Lets a message wait for its turn: one frame, or fragments. The plaintexts are copied.
   * @throws UsmpError QUEUE_FULL if 64 wait
   */
  post(frames: readonly PlaintextFrame[]): void {
    if (this.waiting >= MAX_WAITING_MESSAGES) {
      throw new UsmpError('QUEUE_FULL', `${MAX_WAITING_MESSAGES} messages wait`)
    }
    this.#messages.push(frames.map(({ type, plaintext }) => ({ type, plaintext: copyBytes(plaintext) })))
    this.#posted = true
  }

  /** Lets PING, PONG or REKEY wait, before all messages: one PING that waits is enough, and behind a BYE nothing is sent. */
  postUrgent(frame: PlaintextFrame): void {
    if (this.#byeSent) return
    if (frame.type === PacketType.PONG && this.#urgent.length >= MAX_URGENT) return
    if (frame.type === PacketType.PING && this.#urgent.some(([first]) => first?.type === PacketType.PING)) return
    this.#urgent.push([frame])
    this.#posted = true
  }

  /** Lets a BYE wait, behind everything else. */
  postBye(): void {
    this.#bye = [{ type: PacketType.BYE, plaintext: EMPTY }]
    this.#posted = true
  }

  /** Whether a REKEY waits to be sent. */
  get rekeyWaiting(): boolean {
    return this.#urgent.some(([first]) => first?.type === PacketType.REKEY)
  }

  /**
   * Seals and sends what may go now (section 7.5).
   * @returns the types that were sent
   * @throws UsmpError SEQ_EXHAUSTED, or what the crypto provider throws
   */
  sendReady(cipher: RecordLayer, now: number): number[] {
    this.#posted = false
    const sent: number[] = []
    for (let next = this.#sealed[0]; next && this.#arq.canSend(next); next = this.#sealed[0]) {
      this.#sealed.shift()
      this.#send(next, now)
      sent.push(next.type)
    }
    while (this.#sealed.length === 0) {
      const parcel = this.#nextMessage()
      const frame = parcel?.[0]
      if (!frame) return sent
      const together = this.#pendingFragments.length === 0 && parcel.length === 1
      const exclusive = !together || frame.type === PacketType.REKEY || frame.type === PacketType.BYE
      const { sendEpoch: epoch, nextSeq: seq } = cipher
      if (!this.#arq.canSend({ exclusive, epoch, seq })) return sent
      this.#takeFrame(parcel)
      this.#send(seal(cipher, frame, exclusive), now)
      sent.push(frame.type)
    }
    return sent
  }

  /** The peer's REKEY is about to be followed: the rest of a message begun stays under the old key (section 5.3). */
  sealPendingFragments(cipher: RecordLayer): void {
    this.#sealed.push(...this.#pendingFragments.splice(0).map((frame) => seal(cipher, frame, true)))
  }

  #send(frame: SentFrame, now: number): void {
    this.#arq.sent(frame, now)
    this.#transmit(frame.bytes)
  }

  #nextMessage(): PlaintextFrame[] | undefined {
    if (this.#pendingFragments.length > 0) return this.#pendingFragments
    return this.#urgent[0] ?? this.#messages[0] ?? this.#bye
  }

  #takeFrame(parcel: PlaintextFrame[]): void {
    if (parcel === this.#urgent[0]) this.#urgent.shift()
    else if (parcel === this.#messages[0]) this.#messages.shift()
    else if (parcel === this.#bye) {
      this.#bye = undefined
      this.#byeSent = true
    }
    this.#pendingFragments = parcel.slice(1)
  }

  // ─── time ───

  /** When {@link sendReady}, {@link handleTimeout} or {@link expire} has something to do; infinite if never. */
  get deadline(): number {
    if (this.#posted) return Number.NEGATIVE_INFINITY
    return Math.min(this.#arq.deadline, this.#order?.deadline ?? Number.POSITIVE_INFINITY)
  }

  /** Sends again what was not acknowledged in time; returns a frame of the session that was lost for good. */
  handleTimeout(now: number): SentFrame | undefined {
    const { repeats, lost } = this.#arq.handleTimeout(now)
    for (const bytes of repeats) this.#transmit(bytes)
    return lost
  }

  /** When {@link handleTimeout} will find a frame lost, if nothing comes until then; infinite if never. */
  get lossAt(): number {
    return this.#arq.lossAt
  }

  /** The peer has shown that it lives. */
  onReceived(now: number): void {
    this.#arq.onReceived(now)
  }

  /** While the application does not read, messages are not taken, so not acknowledged. */
  get reading(): boolean {
    return this.#reading
  }

  /** Says whether the application takes messages. */
  setReading(reading: boolean, now: number): void {
    this.#reading = reading
    this.#order?.setReading(reading, now)
  }

  // ─── order of what arrives ───

  /** What has its turn now that a frame was accepted: itself or not, and others that waited for it. */
  inOrder(frame: ReceivedFrame, now: number): ReceivedFrame[] {
    if (!this.#order) return [frame]
    switch (frame.type) {
      case PacketType.BYE:
      case PacketType.REKEY:
        // Senders let them go alone; whatever is missing before them will not come.
        return [...this.#order.flush(frame.seq + 1).filter(isPresent), frame]
      case PacketType.PING:
      case PacketType.PONG:
        // They are about time, so they do not wait; only their number does.
        return [frame, ...this.skip(frame.seq, now)]
      default:
        return this.#order.push(frame.seq, frame, now).filter(isPresent)
    }
  }

  /** What has its turn now that a frame was accepted which does not wait with the others. */
  skip(seq: number, now: number): ReceivedFrame[] {
    return this.#order?.push(seq, undefined, now).filter(isPresent) ?? []
  }

  /** The peer counts from 0 again, under a new key: gives out what waits, although something is missing. */
  beginEpoch(): ReceivedFrame[] {
    return this.#order?.flush(0).filter(isPresent) ?? []
  }

  /** What has waited too long for something that was sent before it. */
  expire(now: number): ReceivedFrame[] {
    return this.#order?.expire(now).filter(isPresent) ?? []
  }

  /** Forgets everything, keys included. */
  clear(): void {
    this.#arq.clear()
    for (const { key } of this.#sealed.splice(0)) wipe(key)
    this.#remembered = []
    this.#pendingFragments = []
    this.#urgent = []
    this.#messages = []
    this.#bye = undefined
    this.#posted = false
    this.#order?.flush(0)
  }
}

/** Seals a frame, and keeps the key for its acknowledgement. */
function seal(cipher: RecordLayer, { type, plaintext }: PlaintextFrame, exclusive: boolean): SentFrame {
  const { sendEpoch: epoch, nextSeq: seq } = cipher
  const key = copySecret(cipher.sendKey)
  const bytes = type === PacketType.REKEY ? cipher.startRekey(plaintext) : cipher.seal(type, plaintext)
  return { type, seq, bytes, key, epoch, exclusive, mustDeliver: true }
}

const CONTROL_TYPES: readonly number[] = [PacketType.PING, PacketType.PONG, PacketType.REKEY, PacketType.BYE]

/** Whether a frame carries something of the application. */
function isMessage({ type }: { readonly type: number }): boolean {
  return !isHandshakeType(type) && !CONTROL_TYPES.includes(type)
}

function isPresent<T>(item: T | undefined): item is T {
  return item !== undefined
}

export { CookieIssuer, decodeHello, makeHelloRetry, verifyHelloCookie } from './cookie.js'
export { isForHandshake } from './utack.js'
