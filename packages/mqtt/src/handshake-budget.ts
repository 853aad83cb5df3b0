import { type Rate, RateLimit } from '@usmp/node/adapters'

/** Handshakes of ids that have no key here, all together: each costs a key pair, and anybody who may publish can ask for them. */
const UNKNOWN: Rate = { burst: 50, perSecond: 20 }
/** Of one id with a key: a device that reboots in a loop needs fewer. */
const KNOWN: Rate = { burst: 10, perSecond: 2 }
/** Of all ids with a key: a whole site may start at the same moment. */
const ALL_KNOWN: Rate = { burst: 5_000, perSecond: 2_000 }

/**
 * How many handshakes may begin over one broker. Everybody who may publish is one peer for a gateway, so a flood cannot be told from
 * devices by where it comes from; what can be told is whether an id has a key. A flood of made-up ids uses up a budget of their own.
 * A flood of one known id uses up the budget of this id.
 */
export class HandshakeBudget {
  readonly #now: () => number
  readonly #unknown: RateLimit
  readonly #known: RateLimit

  /** @param now ms of a clock that does not jump */
  constructor(now: () => number) {
    this.#now = now
    this.#unknown = new RateLimit(UNKNOWN, UNKNOWN, now())
    this.#known = new RateLimit(KNOWN, ALL_KNOWN, now())
  }

  /** Whether a handshake of this id may begin now; then it counts as begun. */
  take(id: string, known: boolean): boolean {
    return known ? this.#known.take(id, this.#now()) : this.#unknown.take('unknown', this.#now())
  }
}
