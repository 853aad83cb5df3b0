import { MAX_CONTROL_PER_SECOND } from './constants.js'
import { UsmpError } from './errors.js'

const SECOND = 1000
/**
 * Our own PINGs in any second: with as many PONGs to a peer that does the same it stays under the flood limit of one that
 * counts every PONG.
 */
const MAX_PINGS_PER_SECOND = MAX_CONTROL_PER_SECOND / 2

/** Intervals in ms; 0 switches one off. */
export interface LivenessOptions {
  /** PING when nothing was sent, or nothing was heard, for this long. */
  readonly keepalive: number
  /** End the session when nothing authentic was heard for this long. */
  readonly idleTimeout: number
  /** Take the answer to a PING for lost after this long; infinite where nothing is lost. */
  readonly pingTimeout: number
}

/** The clock side of a session: keepalive, idle end, round trips, flood guard (specification, sections 4.7–4.9). */
export class Liveness {
  readonly #options: LivenessOptions
  #lastSent: number
  #lastHeard: number
  #reading = true
  /** When the PINGs that no PONG has answered were sent; answers come in order. */
  #pings: number[] = []
  #pingWanted = false
  /** Somebody waits for a PONG. */
  #pongAwaited = false
  #lastPing = Number.NEGATIVE_INFINITY
  /** When our last PINGs were sent, as many as a second may have. */
  readonly #recentPings: number[] = []
  #windowStart = Number.NEGATIVE_INFINITY
  #controlFrames = 0

  constructor(options: LivenessOptions, now: number) {
    this.#options = options
    this.#lastSent = now
    this.#lastHeard = now
  }

  sent(now: number): void {
    this.#lastSent = now
  }

  heard(now: number): void {
    this.#lastHeard = now
  }

  /** While nothing is read (back pressure) the peer's silence means nothing. */
  setReading(reading: boolean, now: number): void {
    if (reading && !this.#reading) this.#lastHeard = now
    this.#reading = reading
  }

  /** Asks for a PONG: for a PING as soon as the limit allows, unless one is on its way already. */
  wantPing(): void {
    this.#pongAwaited = true
    if (this.#pings.length === 0) this.#pingWanted = true
  }

  /** Asks for a PING of its own as soon as the limit allows. */
  wantNewPing(): void {
    this.#pingWanted = true
  }

  pinged(now: number): void {
    this.#pingWanted = false
    if (now >= this.#pingLostAt) this.#pings = []
    this.#lastPing = now
    if (this.#recentPings.length === MAX_PINGS_PER_SECOND) this.#recentPings.shift()
    this.#recentPings.push(now)
    // A peer that never answers does not make the list grow: the idle timeout ends it, and old entries tell nothing.
    if (this.#pings.length === MAX_CONTROL_PER_SECOND) this.#pings.shift()
    this.#pings.push(now)
  }

  /** The round trip in ms that a PONG completes; undefined if no PING of ours is open. */
  ponged(now: number): number | undefined {
    const sentAt = this.#pings.shift()
    if (sentAt !== undefined) this.#pongAwaited = false
    return sentAt === undefined ? undefined : now - sentAt
  }

  /**
   * Counts a PING of the peer, or a PONG that answers none of ours. Those that do are no more than our PINGs, and after a
   * stall of the network they come in one heap with the peer's own.
   * @throws UsmpError FLOOD for the ninth within a second
   */
  countControl(now: number): void {
    if (now - this.#windowStart >= SECOND) {
      this.#windowStart = now
      this.#controlFrames = 0
    }
    if (++this.#controlFrames > MAX_CONTROL_PER_SECOND) throw new UsmpError('FLOOD')
  }

  /** When {@link due} has something to say next; infinite if never. */
  get deadline(): number {
    return Math.min(this.#idleAt, this.#pingAt)
  }

  /** What is due: the end by silence, or a PING. */
  due(now: number): 'idle' | 'ping' | undefined {
    if (now >= this.#idleAt) return 'idle'
    if (now >= this.#pingAt) return 'ping'
    return undefined
  }

  get #idleAt(): number {
    const { idleTimeout } = this.#options
    return idleTimeout > 0 && this.#reading ? this.#lastHeard + idleTimeout : Number.POSITIVE_INFINITY
  }

  get #pingAt(): number {
    const allowed =
      this.#recentPings.length < MAX_PINGS_PER_SECOND ? Number.NEGATIVE_INFINITY : this.#recentPings[0]! + SECOND
    if (this.#pingWanted) return allowed
    return Math.max(
      Math.min(this.#keepaliveAt, this.#pongAwaited ? this.#pingLostAt : Number.POSITIVE_INFINITY),
      allowed,
    )
  }

  get #keepaliveAt(): number {
    const { keepalive } = this.#options
    if (keepalive <= 0) return Number.POSITIVE_INFINITY
    return Math.min(this.#lastSent, Math.max(this.#lastHeard, this.#lastPing)) + keepalive
  }

  /** When the answer to the last PING is taken for lost. */
  get #pingLostAt(): number {
    return this.#lastPing + this.#options.pingTimeout
  }
}
