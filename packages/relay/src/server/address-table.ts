import type { RelayLimits } from './limits.js'
import { TokenBucket } from './token-bucket.js'

/** After so long without a socket all buckets of an address are full again, and it is forgotten, ms. */
const MEMORY = 60_000
/** Addresses without a socket that are remembered; the one that left first gives way. */
const MAX_IDLE = 16_384

/** What one address has, and how fast it may go on. */
export interface AddressEntry {
  readonly block: string
  readonly joins: TokenBucket
  readonly pairingJoins: TokenBucket
  /** WebSockets that are open, those that are being closed too. */
  sockets: number
  waiting: number
  inCircuits: number
}

/** The addresses that have sockets, and for a minute those that had. */
export class AddressTable {
  readonly #limits: RelayLimits
  readonly #active = new Map<string, AddressEntry>()
  /** In the order in which they left. */
  readonly #idle = new Map<string, { readonly entry: AddressEntry; readonly since: number }>()

  constructor(limits: RelayLimits) {
    this.#limits = limits
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#active.size + this.#idle.size
  }

  socketsOf(block: string): number {
    return this.#active.get(block)?.sockets ?? 0
  }

  /** The entry of an address, with one socket more. */
  enter(block: string, now: number): AddressEntry {
    const entry = this.#active.get(block) ?? this.#idle.get(block)?.entry ?? this.#create(block, now)
    this.#idle.delete(block)
    this.#active.set(block, entry)
    entry.sockets++
    return entry
  }

  leave(entry: AddressEntry, now: number): void {
    if (--entry.sockets > 0) return
    this.#active.delete(entry.block)
    this.#idle.set(entry.block, { entry, since: now })
    const [oldest] = this.#idle.keys()
    if (this.#idle.size > MAX_IDLE) this.#idle.delete(oldest!)
  }

  /** Forgets the addresses that left a minute ago. */
  forget(now: number): void {
    for (const [block, { since }] of this.#idle) {
      if (now - since < MEMORY) return
      this.#idle.delete(block)
    }
  }

  #create(block: string, now: number): AddressEntry {
    const { joinBurst, joinsPerSecond, pairingJoinsPerMinute } = this.#limits
    return {
      block,
      joins: new TokenBucket(joinBurst, joinsPerSecond, now),
      pairingJoins: new TokenBucket(pairingJoinsPerMinute, pairingJoinsPerMinute / 60, now),
      sockets: 0,
      waiting: 0,
      inCircuits: 0,
    }
  }
}
