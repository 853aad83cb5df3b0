import { setTimeout } from 'node:timers/promises'
import type { RpcSession } from '@usmp/rpc'

/** How much of something is allowed: so much at once, and so much a second in the long run. Times are ms of a steady clock. */
export class Budget {
  readonly #burst: number
  readonly #rate: number
  #left: number
  #at = Number.NEGATIVE_INFINITY

  /** @param burst at once; @param rate a second */
  constructor(burst: number, rate: number) {
    this.#burst = burst
    this.#rate = rate
    this.#left = burst
  }

  /** Takes one, if it is covered. @returns 0, or the ms until one is covered */
  take(now: number): number {
    if (now > this.#at) {
      this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#rate)
      this.#at = now
    }
    if (this.#left < 1) return ((1 - this.#left) / this.#rate) * 1000
    this.#left--
    return 0
  }
}

/** Lines of chat that everybody hears from one robot or operator. */
export function chatBudget(): Budget {
  return new Budget(20, 2)
}

/** Messages that the hub takes from one session: far more than a robot or an operator needs, far less than it can take. */
const MESSAGES = { burst: 256, rate: 256 }

/**
 * The session, read no faster than this: who sends more has to wait, by the back pressure of its transport, and takes no time
 * from the others. Stop requests would wait behind a flood otherwise.
 */
export function paced(session: RpcSession): RpcSession {
  const budget = new Budget(MESSAGES.burst, MESSAGES.rate)
  return {
    maxMessage: session.maxMessage,
    async receive(options) {
      for (let wait = budget.take(performance.now()); wait > 0; wait = budget.take(performance.now())) {
        await setTimeout(wait)
      }
      return session.receive(options)
    },
    send: (message, options) => session.send(message, options),
    trySend: (message) => session.trySend(message),
    close: (reason) => session.close(reason),
    closed: session.closed,
  }
}
