import type { ErrorCode } from './errors.js'

/** Counts the frames that were dropped without harm, by the code of their fault. */
export class Drops {
  /** Made for the first one. */
  #counts: Map<ErrorCode, number> | undefined

  get counts(): ReadonlyMap<ErrorCode, number> {
    return this.#counts ?? new Map()
  }

  count(code: ErrorCode): void {
    this.#counts ??= new Map()
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  /** For the message of an error, as drops may be why nothing good came; empty without any. */
  describe(): string {
    if (!this.#counts) return ''
    return `dropped ${[...this.#counts].map(([code, count]) => `${count} × ${code}`).join(', ')}`
  }
}
