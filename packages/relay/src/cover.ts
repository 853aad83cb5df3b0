import { asUsmpError, type Clock, type RandomSource, type UsmpError } from '@usmp/core'
import { drawBytes } from './random.js'

/**
 * What hides when a peer has something to say (specification, section 12.5). In every mode all cells have one size.
 *
 * `off`: a message leaves at once, so the relay sees when somebody says something, and how much. `schedule`: cells leave at times that were
 * drawn before anybody knew of a message, and nothing else makes one leave; a message waits for its tick. `noise`: like `off`, and an
 * empty cell every 30 to 90 s besides; **a relay can tell it from messages**, so it hides nothing from one that looks.
 */
export type Cover =
  | { readonly mode: 'off' }
  | {
      readonly mode: 'schedule'
      /** Cells a second on average, 1/60 to 100. */
      readonly rate: number
      /** `exponential` (default): like radioactive decay. `grid`: all gaps equal. */
      readonly gaps?: 'exponential' | 'grid' | undefined
    }
  | { readonly mode: 'noise' }

/** Cells a second of a schedule. */
export const MIN_RATE = 1 / 60
export const MAX_RATE = 100

/** No gap of a schedule is longer than this many mean ones, so that silence can mean an end. */
const LONGEST_GAP = 8
/** Between two empty cells of the noise, ms. */
const NOISE_MIN = 30_000
const NOISE_MAX = 90_000
/** Of a session without a schedule, ms. */
const KEEPALIVE = 20_000
const IDLE_TIMEOUT = 60_000
/** Of a session with a schedule, ms: the longest gap of the slowest one that the peer may have, and two more mean ones. */
const COVERED_IDLE_TIMEOUT = ((LONGEST_GAP + 2) * 1000) / MIN_RATE

/** Options of a session that fit its cover. */
export interface SessionTiming {
  /** ms; 0 for no PINGs. */
  readonly keepalive: number
  /** ms. */
  readonly idleTimeout: number
}

/**
 * The `keepalive` and `idleTimeout` of the sessions that a channel with this cover runs over. With a schedule there are no PINGs, as they
 * are frames that no tick has made, and the peer may be silent for long: it may have a slower schedule.
 */
export function sessionTiming(cover: Cover): SessionTiming {
  return cover.mode === 'off'
    ? { keepalive: KEEPALIVE, idleTimeout: IDLE_TIMEOUT }
    : { keepalive: 0, idleTimeout: COVERED_IDLE_TIMEOUT }
}

/** How long a message waits for its tick on average, ms. */
export function meanDelay(cover: Cover): number {
  return cover.mode === 'schedule' ? 1000 / cover.rate : 0
}

/** An even number over 0, up to 1. */
function share(random: RandomSource): number {
  const bytes = drawBytes(random, 4)
  return (new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) + 1) / 2 ** 32
}

/** ms until the next tick; undefined for a cover without ticks. */
function gapsOf(cover: Cover, random: RandomSource): (() => number) | undefined {
  if (cover.mode === 'off') return undefined
  if (cover.mode === 'noise') return () => NOISE_MIN + share(random) * (NOISE_MAX - NOISE_MIN)
  const mean = 1000 / cover.rate
  if (cover.gaps === 'grid') return () => mean
  return () => mean * Math.min(LONGEST_GAP, -Math.log(share(random)))
}

/** Who sends at the ticks of a {@link CoverTicker}. */
export interface TickHandler {
  onTick(): void
  /** There are no more ticks: the random source failed. */
  onTickerFailed(reason: UsmpError): void
}

/**
 * Tells the ticks of a cover. What the handler does has no influence on later ticks. After a stall the missed ticks are skipped: if they
 * were made up for in a bunch, it would tell when the machine was busy.
 */
export class CoverTicker {
  readonly #clock: Clock
  readonly #gap: (() => number) | undefined
  readonly #handler: TickHandler
  #due = 0
  #timer: unknown

  constructor(cover: Cover, clock: Clock, random: RandomSource, handler: TickHandler) {
    this.#clock = clock
    this.#gap = gapsOf(cover, random)
    this.#handler = handler
  }

  start(): void {
    this.#due = this.#clock.now()
    this.#plan()
  }

  stop(): void {
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  #plan(): void {
    if (!this.#gap) return
    try {
      const gap = this.#gap()
      const now = this.#clock.now()
      this.#due += gap
      if (this.#due < now) this.#due = now + gap
      this.#timer = this.#clock.setTimer(() => this.#tick(), this.#due - now)
    } catch (error) {
      this.#handler.onTickerFailed(asUsmpError(error, 'RANDOM_FAILED'))
    }
  }

  /** The next tick is planned first: nothing that is sent at this one can move it. */
  #tick(): void {
    this.#plan()
    this.#handler.onTick()
  }
}
