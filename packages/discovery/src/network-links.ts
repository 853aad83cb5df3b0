import { type Network, networkKey } from './networks.js'

/** Something that lives as long as a network of ours: sockets, mostly. */
export interface Link {
  readonly network: Network
  close(): Promise<void>
}

/** What could not be opened, as its port was taken, is tried again after so long, ms. */
const RETRY = 60_000

/** One link for each network that there is; follows changes of addresses. Owns the links, and never throws. */
export class NetworkLinks<L extends Link> {
  readonly #open: (network: Network, all: readonly Network[]) => Promise<L>
  readonly #onFault: (network: Network, error: unknown) => void
  readonly #links = new Map<string, L>()
  /** Networks that could not be used, and when they are tried again, ms. */
  readonly #failed = new Map<string, number>()
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    open: (network: Network, all: readonly Network[]) => Promise<L>,
    onFault: (network: Network, error: unknown) => void,
  ) {
    this.#open = open
    this.#onFault = onFault
  }

  get all(): L[] {
    return [...this.#links.values()]
  }

  /** Opens what is new, and closes what is gone. */
  update(networks: readonly Network[]): Promise<void> {
    this.#work = this.#work.then(() => (this.#closed ? undefined : this.#update(networks)))
    return this.#work
  }

  close(): Promise<void> {
    this.#closed = true
    this.#work = this.#work.then(async () => {
      await Promise.all(this.all.map((link) => link.close()))
      this.#links.clear()
    })
    return this.#work
  }

  async #update(networks: readonly Network[]): Promise<void> {
    const wanted = new Map(networks.map((network) => [networkKey(network), network]))
    for (const [key, retryAt] of this.#failed) {
      if (!wanted.has(key) || performance.now() >= retryAt) this.#failed.delete(key)
    }
    for (const [key, link] of this.#links) {
      if (wanted.has(key)) continue
      this.#links.delete(key)
      await link.close()
    }
    for (const [key, network] of wanted) {
      if (this.#links.has(key) || this.#failed.has(key)) continue
      try {
        this.#links.set(key, await this.#open(network, networks))
      } catch (error) {
        this.#failed.set(key, performance.now() + RETRY)
        this.#onFault(network, error)
      }
    }
  }
}
