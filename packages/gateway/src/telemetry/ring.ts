/** Points of one ring at most: one a second for 15 minutes. */
export const MAX_POINTS = 900
const FIRST_SIZE = 32

/** What the rings of all devices may take together, in points. */
export class PointBudget {
  #left: number

  constructor(points: number) {
    this.#left = points
  }

  take(points: number): boolean {
    if (points > this.#left) return false
    this.#left -= points
    return true
  }

  give(points: number): void {
    this.#left += points
  }
}

/** The newest values of one reading, with the moments at which they were measured. NaN stands for a gap. Grows while the budget allows. */
export class Ring {
  readonly #budget: PointBudget
  #at = new Float64Array(0)
  #values = new Float64Array(0)
  #start = 0
  #length = 0

  constructor(budget: PointBudget) {
    this.#budget = budget
  }

  /**
   * Adds a value, and lets the oldest go if there is no room. One that is older than the newest is dropped.
   * @returns false if there is no memory for it at all
   */
  push(at: number, value: number): boolean {
    if (this.#length > 0 && at < this.#atOf(this.#length - 1)) return true
    if (this.#length === this.#at.length) this.#grow()
    const size = this.#at.length
    if (size === 0) return false
    if (this.#length === size) {
      this.#start = (this.#start + 1) % size
      this.#length--
    }
    const index = (this.#start + this.#length) % size
    this.#at[index] = at
    this.#values[index] = value
    this.#length++
    return true
  }

  /** From here on there is no value until the next one. */
  gap(at: number): void {
    const newest = this.#length - 1
    if (newest < 0 || Number.isNaN(this.#valueOf(newest))) return
    this.push(Math.max(at, this.#atOf(newest)), Number.NaN)
  }

  /** All points with their moments, oldest first; null: a gap. */
  get points(): (readonly [moment: number, value: number | null])[] {
    return Array.from({ length: this.#length }, (_, i) => {
      const value = this.#valueOf(i)
      return [this.#atOf(i), Number.isNaN(value) ? null : value] as const
    })
  }

  /** Gives its memory back. */
  clear(): void {
    this.#budget.give(this.#at.length)
    this.#at = new Float64Array(0)
    this.#values = new Float64Array(0)
    this.#start = 0
    this.#length = 0
  }

  #grow(): void {
    const size = this.#at.length
    const bigger = Math.min(MAX_POINTS, size === 0 ? FIRST_SIZE : size * 2)
    if (bigger === size || !this.#budget.take(bigger - size)) return
    const at = new Float64Array(bigger)
    const values = new Float64Array(bigger)
    for (let i = 0; i < this.#length; i++) {
      at[i] = this.#atOf(i)
      values[i] = this.#valueOf(i)
    }
    this.#at = at
    this.#values = values
    this.#start = 0
  }

  #atOf(index: number): number {
    return this.#at[(this.#start + index) % this.#at.length]!
  }

  #valueOf(index: number): number {
    return this.#values[(this.#start + index) % this.#values.length]!
  }
}
