import { UsmpError } from '@usmp/core'
import type { Side } from './wire.js'

const DAY = 24 * 60 * 60_000
/** Days are written with years of four digits. */
const END_OF_YEAR_9999 = 253_402_300_800_000 - 1
/** So long before and after midnight (UTC) a peer looks at two days, ms: the clocks of two peers may differ by twice as much. */
const MARGIN = 5 * 60_000
/**
 * How long a peer stays at one of two days, ms. While side 0 stays at one, side 1 comes to both: they meet within one stay of side 0.
 */
const TURN: Readonly<Record<Side, number>> = { 0: 20_000, 1: 6_000 }
/** A peer that is alone joins again after this time, ms: the connection may be dead without anybody having told. */
const LONGEST_STAY = 5 * 60_000

/** Where a peer waits, and for how long. */
export interface Stay {
  /** In UTC, like `2026-11-30`. */
  readonly day: string
  /** ms */
  readonly duration: number
}

/** The days on which a peer looks for the other one, one stay after the other. */
export class MeetingDays {
  readonly #side: Side
  readonly #now: () => number
  #turn = 0

  /** @param now the time of the calendar, ms since 1970 */
  constructor(side: Side, now: () => number) {
    this.#side = side
    this.#now = now
  }

  /** @throws UsmpError INVALID_ARGUMENT if there is no such time */
  next(): Stay {
    const now = this.#now()
    if (!(now >= 0 && now < END_OF_YEAR_9999))
      throw new UsmpError('INVALID_ARGUMENT', `now() gives ${now}, which is no time`)
    const sinceMidnight = now % DAY
    const untilMidnight = DAY - sinceMidnight
    if (sinceMidnight < MARGIN) return this.#stayAtOneOf(now, now - DAY)
    if (untilMidnight <= MARGIN) return this.#stayAtOneOf(now, now + DAY)
    return { day: dayOf(now), duration: Math.min(untilMidnight - MARGIN, LONGEST_STAY) }
  }

  #stayAtOneOf(own: number, other: number): Stay {
    return { day: dayOf(this.#turn++ % 2 === 0 ? own : other), duration: TURN[this.#side] }
  }
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
