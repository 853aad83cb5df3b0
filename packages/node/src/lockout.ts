/** Failures that cost nothing yet; a key is rarely wrong for another reason than a typing error. */
const FREE_FAILURES = 4
const FIRST_LOCKOUT = 1_000
const LONGEST_LOCKOUT = 60_000
/** A failure is forgotten after this long, ms. */
const MEMORY = 600_000
const MAX_ENTRIES = 4_096

interface Entry {
  failures: number
  lastFailure: number
}

/**
 * Slows down repeated wrong proofs (specification, section 3.12). Counts for a pair of address and claimed device id, so
 * that a faulty device does not lock out its neighbours behind one address. Holds at most 4096 pairs, oldest forgotten.
 */
export class Lockout {
  readonly #entries = new Map<string, Entry>()

  /** How long this pair still has to wait, ms; 0 if it need not. */
  remaining(address: string, deviceId: string, now: number): number {
    const entry = this.#entries.get(pairKey(address, deviceId))
    if (!entry || entry.failures <= FREE_FAILURES) return 0
    const lockout = Math.min(LONGEST_LOCKOUT, FIRST_LOCKOUT * 2 ** (entry.failures - FREE_FAILURES - 1))
    return Math.max(0, entry.lastFailure + lockout - now)
  }

  failed(address: string, deviceId: string, now: number): void {
    const key = pairKey(address, deviceId)
    const entry = this.#entries.get(key)
    const failures = entry && now - entry.lastFailure < MEMORY ? entry.failures + 1 : 1
    // Deleted and set again, so that the order of the map is the order of the last failures.
    this.#entries.delete(key)
    this.#entries.set(key, { failures, lastFailure: now })
    if (this.#entries.size <= MAX_ENTRIES) return
    const [oldest] = this.#entries.keys()
    this.#entries.delete(oldest!)
  }

  succeeded(address: string, deviceId: string): void {
    this.#entries.delete(pairKey(address, deviceId))
  }

  /** Forgets the failures of a device, whatever address they came from. */
  forget(deviceId: string): void {
    for (const key of this.#entries.keys()) if (key.endsWith(` ${deviceId}`)) this.#entries.delete(key)
  }
}

function pairKey(address: string, deviceId: string): string {
  return `${address} ${deviceId}`
}
