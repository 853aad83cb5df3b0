import { GatewayError } from '../errors.js'
import { networkOf } from './network.js'

/** Failures without a pause, and the longest pause, ms. An account pauses briefly only, or anybody could lock its owner out. */
const ACCOUNT = { free: 5, longest: 60_000 }
const ADDRESS = { free: 10, longest: 15 * 60_000 }
/** Failures are forgotten after so long without another one, ms. */
const FORGET = 3600_000
/** Most accounts, and most addresses, that are remembered. */
const MAX_REMEMBERED = 10_000

/** An attempt that counts as failed until it says otherwise, so that many at once do not slip through. */
export interface Attempt {
  succeeded(): void
}

/** Slows down who guesses passwords: pauses that double with each failure, by account and by address. */
export class LoginThrottle {
  readonly #now: () => number
  readonly #accounts: Failures
  readonly #addresses: Failures
  /** Of people who are logged in and give their password again. */
  readonly #loggedIn: Failures

  /** @param now a monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now
    this.#accounts = new Failures(ACCOUNT)
    this.#addresses = new Failures(ADDRESS)
    this.#loggedIn = new Failures(ACCOUNT)
  }

  /**
   * Before the password is looked at. Known and unknown accounts are treated alike.
   * @throws GatewayError TOO_MANY while a pause lasts; such an attempt does not make it longer
   */
  begin(account: string, address: string): Attempt {
    const now = this.#now()
    const from = networkOf(address)
    assertNoPause(Math.max(this.#accounts.pause(account, now), this.#addresses.pause(from, now)))
    this.#accounts.add(account, now)
    this.#addresses.add(from, now)
    return {
      succeeded: () => {
        this.#accounts.clear(account)
        // Only this attempt: else who has an account here could guess at another one for ever.
        this.#addresses.takeBack(from)
      },
    }
  }

  /** As {@link begin}, for who has a login of this account: nobody else's failures count. @throws GatewayError TOO_MANY */
  beginLoggedIn(account: string): Attempt {
    const now = this.#now()
    assertNoPause(this.#loggedIn.pause(account, now))
    this.#loggedIn.add(account, now)
    return { succeeded: () => this.#loggedIn.clear(account) }
  }
}

function assertNoPause(wait: number): void {
  if (wait <= 0) return
  const retryAfter = Math.ceil(wait / 1000)
  throw new GatewayError('TOO_MANY', 'Too many wrong passwords.', { hint: `Wait ${retryAfter} s.`, retryAfter })
}

class Failures {
  readonly #limits: { readonly free: number; readonly longest: number }
  /** The one touched last is at the end. */
  readonly #entries = new Map<string, { count: number; lastAt: number; until: number }>()

  constructor(limits: { readonly free: number; readonly longest: number }) {
    this.#limits = limits
  }

  pause(key: string, now: number): number {
    return (this.#entries.get(key)?.until ?? 0) - now
  }

  add(key: string, now: number): void {
    const old = this.#entries.get(key)
    const count = old && now - old.lastAt < FORGET ? old.count + 1 : 1
    const { free, longest } = this.#limits
    const until = count < free ? 0 : now + Math.min(1000 * 2 ** (count - free), longest)
    this.#entries.delete(key)
    if (this.#entries.size >= MAX_REMEMBERED) this.clear(this.#entries.keys().next().value!)
    this.#entries.set(key, { count, lastAt: now, until })
  }

  takeBack(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    entry.count--
    entry.until = 0
  }

  clear(key: string): void {
    this.#entries.delete(key)
  }
}
