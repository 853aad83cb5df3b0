/** A bucket of tokens: holds `burst`, and `rate` come back every second. */
interface Bucket {
  tokens: number
  filledAt: number
}

/** What a {@link RateLimit} lets through: at once, and every second. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** Addresses remembered; the one that was quiet for longest gives way. */
const MAX_ADDRESSES = 4_096

/**
 * Limits how often something is done for one address, and in all. Addresses may be forged, so the memory for them is
 * bounded, and the bound in all is what protects.
 */
export class RateLimit {
  readonly #each: Rate
  readonly #all: Rate
  readonly #total: Bucket
  readonly #buckets = new Map<string, Bucket>()

  /** @param now ms */
  constructor(each: Rate, all: Rate, now: number) {
    this.#each = each
    this.#all = all
    this.#total = { tokens: all.burst, filledAt: now }
  }

  /** Whether it may be done for this address now; then it counts as done. */
  take(address: string, now: number): boolean {
    const bucket = this.#buckets.get(address) ?? { tokens: this.#each.burst, filledAt: now }
    fill(bucket, this.#each, now)
    fill(this.#total, this.#all, now)
    // Deleted and set again, so that the order of the map is the order of the last use.
    this.#buckets.delete(address)
    this.#buckets.set(address, bucket)
    if (this.#buckets.size > MAX_ADDRESSES) {
      const [quietest] = this.#buckets.keys()
      this.#buckets.delete(quietest!)
    }
    if (bucket.tokens < 1 || this.#total.tokens < 1) return false
    bucket.tokens--
    this.#total.tokens--
    return true
  }
}

function fill(bucket: Bucket, { burst, perSecond }: Rate, now: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledAt) * perSecond) / 1000)
  bucket.filledAt = now
}
