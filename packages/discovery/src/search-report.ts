import type { Way } from './found.js'
import { type Network, networkKey } from './networks.js'
import { socketFault } from './sockets.js'

/** What a search has done, for telling people why nothing may have come. */
export interface Tried {
  /** Interfaces with our addresses on which questions left, and how many by which way. */
  readonly networks: readonly {
    readonly interface: string
    readonly cidr: string
    readonly mdns: number
    readonly udp: number
  }[]
  /** Hosts that were asked alone, and how often. */
  readonly hosts: readonly { readonly host: string; readonly queries: number }[]
  /** What could not be done, each once: where, and why in words. */
  readonly faults: readonly { readonly where: string; readonly reason: string }[]
  /** Datagrams that were no answer to us: malformed, of another round, or of a role that was not asked for. */
  readonly ignored: number
  /** Answers that were dropped because there were too many. */
  readonly dropped: number
}

/** Faults that are kept. */
const MAX_FAULTS = 32

function whereOf(way: Way, { name, cidr }: Network): string {
  return `${way === 'mdns' ? 'mDNS' : 'UDP query'} on ${name} (${cidr})`
}

/** Counts what a search does. */
export class SearchReport {
  readonly #networks = new Map<string, { network: Network; mdns: number; udp: number }>()
  readonly #hosts = new Map<string, number>()
  readonly #faults = new Map<string, string>()
  ignored = 0

  asked(way: Way, network: Network): void {
    const key = networkKey(network)
    const counts = this.#networks.get(key) ?? { network, mdns: 0, udp: 0 }
    counts[way]++
    // What works now was no fault: a new IPv6 address cannot be used for a second or two.
    this.#faults.delete(whereOf(way, network))
    this.#networks.set(key, counts)
  }

  askedHost(host: string): void {
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1)
  }

  /** Nothing could be sent. */
  notAsked(way: Way, network: Network, error: unknown): void {
    this.fault(whereOf(way, network), error)
  }

  fault(where: string, error: unknown): void {
    if (this.#faults.size < MAX_FAULTS) this.#faults.set(where, socketFault(error))
  }

  tried(dropped: number): Tried {
    return {
      networks: [...this.#networks.values()].map(({ network, mdns, udp }) => ({
        interface: network.name,
        cidr: network.cidr,
        mdns,
        udp,
      })),
      hosts: [...this.#hosts].map(([host, queries]) => ({ host, queries })),
      faults: [...this.#faults].map(([where, reason]) => ({ where, reason })),
      ignored: this.ignored,
      dropped,
    }
  }
}
