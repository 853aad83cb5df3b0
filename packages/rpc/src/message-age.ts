import { RpcCode, RpcError } from './codes.js'

/** How far two clocks may drift apart, ms a ms: more than two crystals do. */
const DRIFT = 200e-6

/** The member `age` of a request: when it was made, and how long it is of use. */
export interface MessageAge {
  /** ms on the sender's session clock. */
  readonly at: number
  /** ms. */
  readonly ttl: number
}

/**
 * How late the requests of one session are. The clocks of the two ends count from different moments, so only differences
 * tell anything: the smallest difference between arrival and departure is that of a request that was not held up.
 */
export class Lateness {
  #smallest = Number.POSITIVE_INFINITY
  #measured = 0

  /**
   * ms by which a request was held up, compared with the fastest of the session so far.
   * @param arrival ms on the receiver's session clock
   * @param at ms on the sender's
   */
  measure(arrival: number, at: number): number {
    const difference = arrival - at
    // Where the receiver's clock is the faster one, the smallest difference grows with time.
    this.#smallest = Math.min(difference, this.#smallest + (arrival - this.#measured) * DRIFT)
    this.#measured = arrival
    return difference - this.#smallest
  }
}

/**
 * The member `age` of a request, undefined if there is none.
 * @throws RpcError INVALID_REQUEST
 */
export function parseAge(age: unknown): MessageAge | undefined {
  if (age === undefined) return undefined
  const { at, ttl } = (typeof age === 'object' && age !== null ? age : {}) as Partial<MessageAge>
  if (!Number.isFinite(at) || !Number.isFinite(ttl) || ttl! < 0) {
    throw new RpcError(RpcCode.INVALID_REQUEST, '"age" must be {"at": ms, "ttl": ms}')
  }
  return { at: at!, ttl: ttl! }
}
