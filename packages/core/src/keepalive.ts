import {
  FLOOD_BUDGET,
  FLOOD_COST_CONTROL,
  FLOOD_COST_REKEY,
  MAX_PINGS_OPEN,
  MAX_PINGS_PER_SECOND,
  MAX_PONGS_PER_SECOND,
} from './constants.js'
import { UsmpError } from './errors.js'

/** On datagrams, how long the answer to a PING is waited for before another one goes, ms: as long as a frame may take. */
export const PING_TIMEOUT = 5_000

const SECOND = 1000
/** The longest time without sending while nothing is read, ms (specification, section 4.7). */
const MAX_PAUSED_KEEPALIVE = 20_000

/** Intervals in ms; 0 switches one off. */
export interface KeepAliveOptions {
  /** PING when nothing was sent, or nothing was heard, for this long. */
  readonly keepalive: number
  /** End the session when nothing authentic was heard for this long. */
  readonly idleTimeout: number
  /** Take the answer to a PING for lost after this long; infinite where nothing is lost. */
  readonly pingTimeout: number
}

/** A budget of time, ms: it is full at first, and refills as time passes. */
export class Budget {
  readonly #size: number
  #left: number
  #refilledAt: number

  constructor(size: number, now: number) {
    this.#size = size
    this.#left = size
    this.#refilledAt = now
  }

  /** Takes the cost if it is there; false if not. `unlimited` as for {@link refill}. */
  spend(cost: number, now: number, unlimited = false): boolean {
    this.refill(now, unlimited)
    if (this.#left < cost) return false
    this.#left -= cost
    return true
  }

  /** Counts the time since the last look at it; `unlimited` beyond the size of the budget too. */
  refill(now: number, unlimited: boolean): void {
    const refilled = this.#left + now - this.#refilledAt
    this.#left = unlimited ? refilled : Math.max(this.#left, Math.min(this.#size, refilled))
    this.#refilledAt = now
  }
}

/** How often something may happen in any second. */
class PerSecond {
  readonly #limit: number
  /** The last times, as many as a second may have. */
  readonly #times: number[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  note(now: number): void {
    if (this.#times.length === this.#limit) this.#times.shift()
    this.#times.push(now)
  }

  /** From when on it may happen again. */
  get allowedAt(): number {
    return this.#times.length < this.#limit ? Number.NEGATIVE_INFINITY : this.#times[0]! + SECOND
  }
}

/** The clock side of a session: keepalive, idle end, round trips, flood guard (specification, sections 4.7–4.9). */
export class KeepAlive {
  readonly #options: KeepAliveOptions
  #lastSent: number
  #lastReceived: number
  /** Since when nothing is read; undefined while the transport is read. */
  #pausedAt: number | undefined
  /** When the PINGs that no PONG has answered were sent; answers come in order. */
  #pings: number[] = []
  #pingRequested = false
  /** Somebody waits for a PONG. */
  #pongAwaited = false
  #lastPing = Number.NEGATIVE_INFINITY
  readonly #pingsSent = new PerSecond(MAX_PINGS_PER_SECOND)
  readonly #pongsSent = new PerSecond(MAX_PONGS_PER_SECOND)
  readonly #flood: Budget

  constructor(options: KeepAliveOptions, now: number) {
    this.#options = options
    this.#lastSent = now
    this.#lastReceived = now
    this.#flood = new Budget(FLOOD_BUDGET, now)
  }

  onSent(now: number): void {
    this.#lastSent = now
  }

  onReceived(now: number): void {
    this.#lastReceived = now
  }

  /** When the peer was last heard, or reading went on, ms. */
  get lastReceived(): number {
    return this.#lastReceived
  }

  /**
   * While nothing is read (back pressure) the peer's silence means nothing, and what it sends piles up: that time refills
   * the flood budget in full.
   */
  setReading(reading: boolean, now: number): void {
    const paused = this.#pausedAt !== undefined
    this.#flood.refill(now, paused)
    if (!reading) this.#pausedAt ??= now
    else if (paused) {
      this.#lastReceived = now
      this.#pausedAt = undefined
    }
  }

  /** Asks for a PONG: for a PING as soon as the limit allows, unless one is on its way already. */
  requestPing(): void {
    this.#pongAwaited = true
    if (this.#pings.length === 0) this.#pingRequested = true
  }

  /** Asks for a PING of its own as soon as the limit allows. */
  requestNewPing(): void {
    this.#pingRequested = true
  }

  onPingSent(now: number): void {
    this.#pingRequested = false
    if (now >= this.#pingLostAt) this.#pings = []
    this.#lastPing = now
    this.#pingsSent.note(now)
    // A peer that never answers does not make the list grow: the idle timeout ends it, and old entries tell nothing.
    if (this.#pings.length === MAX_PINGS_OPEN) this.#pings.shift()
    this.#pings.push(now)
  }

  /** The round trip in ms that a PONG completes; undefined if no PING of ours is open. */
  onPong(now: number): number | undefined {
    const sentAt = this.#pings.shift()
    if (sentAt !== undefined) this.#pongAwaited = false
    return sentAt === undefined ? undefined : now - sentAt
  }

  /** Whether a PONG may leave; then it counts as sent. */
  takePong(now: number): boolean {
    if (now < this.#pongsSent.allowedAt) return false
    this.#pongsSent.note(now)
    return true
  }

  /**
   * Counts a PING of the peer, or a PONG that answers none of ours. Those that do are no more than our PINGs, and after a
   * stall of the network they come in one heap with the peer's own.
   * @throws UsmpError FLOOD if the budget does not cover it
   */
  countControl(now: number): void {
    this.#spend(FLOOD_COST_CONTROL, now)
  }

  /**
   * Counts a REKEY of the peer.
   * @throws UsmpError FLOOD if the budget does not cover it
   */
  countRekey(now: number): void {
    this.#spend(FLOOD_COST_REKEY, now)
  }

  /** When the session is idle, or a PING is due; infinite if never. */
  get deadline(): number {
    return Math.min(this.idleAt, this.#pingAt)
  }

  /** When the peer has been silent for too long; infinite if never. */
  get idleAt(): number {
    const { idleTimeout } = this.#options
    const counts = idleTimeout > 0 && this.#pausedAt === undefined
    return counts ? this.#lastReceived + idleTimeout : Number.POSITIVE_INFINITY
  }

  /** Whether a PING is due. */
  isPingDue(now: number): boolean {
    return now >= this.#pingAt
  }

  #spend(cost: number, now: number): void {
    if (!this.#flood.spend(cost, now, this.#pausedAt !== undefined)) throw new UsmpError('FLOOD')
  }

  get #pingAt(): number {
    const allowed = this.#pingsSent.allowedAt
    if (this.#pingRequested) return allowed
    const lostAt = this.#pongAwaited ? this.#pingLostAt : Number.POSITIVE_INFINITY
    return Math.max(Math.min(this.#keepaliveAt, lostAt), allowed)
  }

  get #keepaliveAt(): number {
    const { keepalive } = this.#options
    // The peer sees nothing of an end that does not read but its PINGs, and what it sends is not heard.
    if (this.#pausedAt !== undefined) {
      return this.#lastSent + Math.min(keepalive > 0 ? keepalive : MAX_PAUSED_KEEPALIVE, MAX_PAUSED_KEEPALIVE)
    }
    if (keepalive <= 0) return Number.POSITIVE_INFINITY
    return Math.min(this.#lastSent, Math.max(this.#lastReceived, this.#lastPing)) + keepalive
  }

  /** When the answer to the last PING is taken for lost. */
  get #pingLostAt(): number {
    return this.#lastPing + this.#options.pingTimeout
  }
}
