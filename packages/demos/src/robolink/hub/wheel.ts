import { DRIVER_PATIENCE } from '../contract.js'

/** Who drives one robot: one at a time. Times are ms of a steady clock. */
export class Wheel<Operator> {
  #driver: Operator | undefined
  #lastDrive = 0

  get driver(): Operator | undefined {
    return this.#driver
  }

  /**
   * Gives the wheel to an operator, unless somebody else uses it; `force` takes it from them too.
   * @returns whether it is theirs now
   */
  take(operator: Operator, force: boolean, now: number): boolean {
    const free = this.#driver === undefined || now - this.#lastDrive >= DRIVER_PATIENCE
    if (!free && !force && this.#driver !== operator) return false
    this.#driver = operator
    this.#lastDrive = now
    return true
  }

  /** @returns whether this operator may drive: takes a wheel that is free */
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
