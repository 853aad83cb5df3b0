import { onAbort, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { allowManyListeners } from '@usmp/node/adapters'
import { type Facts, factsKey } from './facts.js'
import { type Found, FoundTable, type Heard } from './found.js'
import { MDNS_PORT } from './mdns-link.js'
import { MdnsSearch } from './mdns-search.js'
import { networksOf } from './networks.js'
import { type DiscoverOptions, discoverTable } from './options.js'
import { QUERY_PORT } from './query.js'
import { SearchReport, type Tried } from './search-report.js'
import { UdpSearch } from './udp-search.js'

const TIMEOUT = 3_000
/** Between rounds, ms: the first ones are soon, as datagrams get lost. */
const INTERVAL = 5_000
const FIRST_PAUSES = [250, 750] as const
/** Rounds without an answer after which a peer is gone. */
const MISSED_ROUNDS = 2
/** Time for the answer to the last one, ms. */
const GRACE = 500

/**
 * Looks for gateways or devices in the local networks. Iterate over the search: each item is a peer that is new, has changed, or is gone.
 * The search ends by its timeout, by its signal, or when the loop is left.
 *
 * What is found is a hint that everybody can forge, and no status: connect, and the handshake tells who it is.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function discover(options: DiscoverOptions = {}): Search {
  checkOptions('discover', options, discoverTable)
  return new Search(options)
}

/** A search that runs from the first `next()` of its iterator on. Made by {@link discover}; it can be iterated over once. */
export class Search implements AsyncIterable<Found> {
  readonly #options: DiscoverOptions
  readonly #table = new FoundTable()
  readonly #report = new SearchReport()
  readonly #searches: readonly { update: UdpSearch['update']; ask(): Promise<void>; close(): Promise<void> }[]
  /** What is new and not taken yet, the latest of each peer only. Who came and went meanwhile is in neither, so both are as bounded as the table. */
  readonly #news = new Map<string, Found>()
  /** Peers that were taken, and not yet as gone. */
  readonly #taken = new Set<string>()
  #wake: () => void = () => {}
  #started = false
  #over = false

  constructor(options: DiscoverOptions) {
    const { roles = ['gateway'], hosts = [], mdns = true, udp = true } = options
    const { port = QUERY_PORT, mdnsPort = MDNS_PORT } = options
    if (!mdns && !udp) throw new UsmpError('INVALID_ARGUMENT', 'discover: without mdns and udp nothing can be found')
    this.#options = options
    allowManyListeners(options.signal)
    const handler = {
      onSeen: (facts: Facts, addresses: readonly string[], heard: Heard) => this.#onSeen(facts, addresses, heard),
      onGone: (instance: string, heard: Heard) => this.#tell(this.#table.goodbye(instance, heard)),
    }
    this.#searches = [
      ...(mdns ? [new MdnsSearch(roles, mdnsPort, handler, this.#report)] : []),
      ...(udp ? [new UdpSearch({ roles, port, hosts }, handler, this.#report)] : []),
    ]
  }

  /** All that is there now. */
  get found(): readonly Found[] {
    return this.#table.all
  }

  /** What the search has done so far: for telling people why nothing came. */
  get tried(): Tried {
    return this.#report.tried(this.#table.dropped)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Found, void, undefined> {
    if (this.#started) throw new UsmpError('INVALID_ARGUMENT', 'a search runs once: call discover again')
    this.#started = true
    const { timeout = TIMEOUT, signal } = this.#options
    const stop = () => this.#stop()
    const timer = timeout > 0 ? setTimeout(stop, timeout) : undefined
    if (signal?.aborted) stop()
    const forget = onAbort(signal, stop)
    const rounds = this.#run()
    try {
      yield* this.#take()
    } finally {
      forget()
      clearTimeout(timer)
      this.#stop()
      await rounds
      await Promise.all(this.#searches.map((search) => search.close()))
    }
  }

  async *#take(): AsyncGenerator<Found, void, undefined> {
    for (;;) {
      for (const [key, found] of this.#news) {
        this.#news.delete(key)
        if (found.gone) this.#taken.delete(key)
        else this.#taken.add(key)
        yield found
      }
      if (this.#over) return
      if (this.#news.size === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async #run(): Promise<void> {
    const { interval = INTERVAL } = this.#options
    for (let round = 0; !this.#over; round++) {
      await this.#followNetworks().catch((error) => this.#report.fault('the networks of this machine', error))
      await Promise.all(this.#searches.map((search) => search.ask()))
      await this.#pause(Math.min(FIRST_PAUSES[round] ?? interval, interval))
      this.#tell(this.#table.age(Date.now() - MISSED_ROUNDS * interval - GRACE))
    }
  }

  async #followNetworks(): Promise<void> {
    const { interfaces, networkInterfaces } = this.#options
    const networks = networksOf(networkInterfaces?.(), interfaces)
    await Promise.all(this.#searches.map((search) => search.update(networks)))
  }

  #pauseOver: () => void = () => {}
  async #pause(ms: number): Promise<void> {
    if (this.#over) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#pauseOver = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #stop(): void {
    this.#over = true
    this.#pauseOver()
    this.#wake()
  }

  #onSeen(facts: Facts, addresses: readonly string[], heard: Heard): void {
    const { site } = this.#options
    if (this.#over || (site !== undefined && facts.site !== site)) return
    const found = this.#table.see(facts, addresses, heard, Date.now())
    if (found) this.#tell([found])
  }

  #tell(changed: readonly Found[]): void {
    for (const found of changed) {
      const key = factsKey(found)
      if (found.gone && !this.#taken.has(key)) this.#news.delete(key)
      else this.#news.set(key, found)
    }
    if (changed.length > 0) this.#wake()
  }
}
