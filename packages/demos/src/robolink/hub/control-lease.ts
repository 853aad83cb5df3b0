import { LEASE_TIMEOUT } from '../contract.js'

/**
 * Who drives one robot: one operator at a time, who holds the lease as long as they use it. The robot's session owns it and asks it
 * before every `drive`. It knows no fences: those are the session's. Times are ms of a steady clock.
 */
export class ControlLease<Operator> {
  #driver: Operator | undefined
  #lastDrive = 0

  get driver(): Operator | undefined {
    return this.#driver
  }

  /**
   * Gives the lease to an operator, unless somebody else uses it; `force` takes it from them too.
   * @returns whether it is theirs now
   */
  take(operator: Operator, force: boolean, now: number): boolean {
    const free = this.#driver === undefined || now - this.#lastDrive >= LEASE_TIMEOUT
    if (!free && !force && this.#driver !== operator) return false
    this.#driver = operator
    this.#lastDrive = now
    return true
  }

  /** @returns whether this operator may drive: takes a lease that is free */
  use(operator: Operator, now: number): boolean {
    if (this.#driver !== undefined && this.#driver !== operator) return false
    return this.take(operator, false, now)
  }

  /** @returns whether it was theirs */
  release(operator: Operator): boolean {
    if (this.#driver !== operator) return false
    this.#driver = undefined
    return true
  }
}
