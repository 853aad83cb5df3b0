import { wipe } from './bytes.js'
import { MAX_RETRANSMIT_TIME, MAX_RETRANSMIT_TIME_WHILE_ALIVE, PacketType, REPLAY_WINDOW } from './constants.js'
import { isHandshakeType } from './utack.js'

/** Retransmission timeouts, ms (specification, section 7.6). */
const FIRST_TIMEOUT = 500
const MIN_TIMEOUT = 100
const MAX_TIMEOUT = 5_000
/** Losses in the handshake double the timeout up to here, as its steps have little time. */
const MAX_HANDSHAKE_TIMEOUT = 1_000
/** Waits are longer by up to this share, so that endpoints which lost the network together do not stay in step. */
const JITTER = 1 / 8

/** The retransmission timeout of a path, estimated as in RFC 6298; times in ms. */
export class RoundTrip {
  #smoothed: number | undefined
  #variation = 0
  #timeout = FIRST_TIMEOUT

  /** How long to wait for an acknowledgement. */
  get timeout(): number {
    return this.#timeout
  }

  /** Takes the time from sending to acknowledgement, of a frame that was sent once (Karn's rule). */
  sample(elapsed: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = elapsed
      this.#variation = elapsed / 2
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - elapsed)
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * elapsed
    }
    this.#timeout = clamp(this.#smoothed + 4 * this.#variation)
  }

  /** Doubles the timeout, but not beyond `limit`; it stays doubled until the next sample. */
  backOff(limit: number): void {
    this.#timeout = Math.max(this.#timeout, Math.min(2 * this.#timeout, limit))
  }
}

/** A frame to be sent until it is acknowledged. */
export interface SentFrame {
  readonly type: number
  readonly seq: number
  /** The whole frame; every repeat sends the same bytes. */
  readonly bytes: Uint8Array
  /** The key of its acknowledgement; owned by the list, which wipes it. Empty for handshake frames. */
  readonly key: Uint8Array
  /** Numbers of different epochs do not go together: the peer forgets an old one at the first frame of the next. */
  readonly epoch: number
  /** Nothing may be under way beside it. */
  readonly exclusive: boolean
  /** Whether the session is lost with it. Without that it is repeated until a deadline of the handshake ends it. */
  readonly mustDeliver: boolean
  /** Whether only the answer stops the repeats, not the acknowledgement: HELLO (specification, section 7.5). */
  readonly untilAnswered?: boolean
}

interface InFlight extends SentFrame {
  readonly firstSentAt: number
  sentAt: number
  /** When to send again, or to give it up. */
  dueAt: number
  /** It was sent once more although its time was over, as this end had looked too late. */
  overslept: boolean
  /** Whether the next acknowledgement tells the round trip: it was sent once, and has not been acknowledged. */
  samples: boolean
}

/**
 * The frames under way on a datagram transport: which may go together, when each is sent again, when one is lost
 * (specification, sections 7.5 and 7.6). Sends nothing itself.
 */
export class Arq {
  readonly #roundTrip = new RoundTrip()
  readonly #maxInFlight: number
  readonly #stretch: number
  #frames: InFlight[] = []
  #lastReceived = Number.NEGATIVE_INFINITY
  #backedOffAt = Number.NEGATIVE_INFINITY

  /**
   * @param maxInFlight 1 for stop and wait
   * @param jitter at random from 0 up to, and not including, 1
   */
  constructor(maxInFlight: number, jitter: number) {
    this.#maxInFlight = maxInFlight
    this.#stretch = 1 + JITTER * jitter
  }

  get empty(): boolean {
    return this.#frames.length === 0
  }

  /** Whether a frame under way `matches`. */
  some(matches: (frame: SentFrame) => boolean): boolean {
    return this.#frames.some(matches)
  }

  /** Whether a frame may be sent now for the first time. */
  canSend({ exclusive, epoch, seq }: Pick<SentFrame, 'exclusive' | 'epoch' | 'seq'>): boolean {
    const oldest = this.#frames[0]
    if (!oldest) return true
    if (exclusive || oldest.exclusive || oldest.epoch !== epoch) return false
    return this.#frames.length < this.#maxInFlight && seq - oldest.seq < REPLAY_WINDOW
  }

  /** Notes that a frame has been sent for the first time. */
  sent(frame: SentFrame, now: number): void {
    const dueAt = this.#nextSend(now)
    this.#frames.push({ ...frame, firstSentAt: now, sentAt: now, dueAt, overslept: false, samples: true })
  }

  /** The peer has shown that it lives: messages that its application does not take yet have more time. */
  onReceived(now: number): void {
    this.#lastReceived = now
  }

  /**
   * Takes an acknowledgement.
   * @param isGood judges it with the key of a frame that it names
   * @returns whether it named a frame under way; then `isGood` has had its say
   */
  acknowledge(type: number, seq: number, now: number, isGood: (key: Uint8Array) => boolean): 'none' | 'bad' | 'good' {
    const named = this.#frames.filter((frame) => frame.type === type && frame.seq === seq)
    if (named.length === 0) return 'none'
    const delivered = named.filter((frame) => isGood(frame.key))
    for (const frame of delivered) {
      if (frame.samples) this.#roundTrip.sample(now - frame.sentAt)
      frame.samples = false
    }
    this.#remove((frame) => delivered.includes(frame) && !frame.untilAnswered)
    return delivered.length > 0 ? 'good' : 'bad'
  }

  /** Stops repeating every frame that `isAnswered`. */
  answered(isAnswered: (frame: SentFrame) => boolean): void {
    this.#remove(isAnswered)
  }

  /** When {@link handleTimeout} has something to do next; infinite if never. */
  get deadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { dueAt } of this.#frames) if (dueAt < earliest) earliest = dueAt
    return earliest
  }

  /** When {@link handleTimeout} will find that a frame is lost, if nothing comes until then; infinite if never. */
  get lossAt(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const frame of this.#frames) earliest = Math.min(earliest, Math.max(frame.dueAt, this.#lostAfter(frame)))
    return earliest
  }

  /**
   * What the time asks for.
   * @returns the frames to send again; `lost`: a frame that was repeated for as long as it may be, in vain, and without
   * which the session cannot go on
   */
  handleTimeout(now: number): { repeats: Uint8Array[]; lost: SentFrame | undefined } {
    const repeats: Uint8Array[] = []
    for (const frame of this.#frames) {
      if (now < frame.dueAt) continue
      // One loss of many frames at once is one reason to slow down.
      if (frame.sentAt >= this.#backedOffAt) {
        this.#roundTrip.backOff(isHandshakeType(frame.type) ? MAX_HANDSHAKE_TIMEOUT : MAX_TIMEOUT)
        this.#backedOffAt = now
      }
      if (now >= this.#lostAfter(frame)) {
        // This end was held up for longer than the whole timeout: the peer may have had no chance.
        if (frame.overslept || now - frame.dueAt < frame.dueAt - frame.sentAt) return { repeats: [], lost: frame }
        frame.overslept = true
      }
      frame.samples = false
      frame.sentAt = now
      frame.dueAt = this.#nextSend(now)
      repeats.push(frame.bytes)
    }
    return { repeats, lost: undefined }
  }

  /** Forgets everything. */
  clear(): void {
    this.#remove(() => true)
  }

  /** A timeout that passes at this time or later makes the frame lost (specification, section 7.5). */
  #lostAfter({ type, mustDeliver, firstSentAt }: InFlight): number {
    if (!mustDeliver) return Number.POSITIVE_INFINITY
    const isMessage = type === PacketType.DATA || type === PacketType.DATA_FRAG
    if (!isMessage) return firstSentAt + MAX_RETRANSMIT_TIME
    return Math.min(
      Math.max(firstSentAt, this.#lastReceived) + MAX_RETRANSMIT_TIME,
      firstSentAt + MAX_RETRANSMIT_TIME_WHILE_ALIVE,
    )
  }

  #nextSend(now: number): number {
    return now + this.#roundTrip.timeout * this.#stretch
  }

  #remove(which: (frame: InFlight) => boolean): void {
    const kept: InFlight[] = []
    for (const frame of this.#frames) {
      if (which(frame)) wipe(frame.key)
      else kept.push(frame)
    }
    this.#frames = kept
  }
}

function clamp(timeout: number): number {
  return Math.min(MAX_TIMEOUT, Math.max(MIN_TIMEOUT, timeout))
}
