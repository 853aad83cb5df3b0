import type { Socket } from 'node:dgram'
import { addressBlock, RateLimit } from '@usmp/node/adapters'
import type { AnnouncementFacts } from './announcement-facts.js'
import type { Facts } from './facts.js'
import { contains, type Family, isCloseBy, type Network, networkKey } from './networks.js'
import { decodeQuery, encodeAnswer, QUERY_GROUP } from './query.js'
import { closeSocket, openSocket, sendTo } from './sockets.js'

/** Answers to one address, and to all (specification, section 14.4). */
const EACH = { burst: 5, perSecond: 5 }
const ALL = { burst: 50, perSecond: 50 }
/** A device waits up to so long, ms: many may hear one query. */
const LONGEST_DELAY = 100

/** Answers UDP queries: only those that are well-formed, want our role, and come from near; never with more bytes than were asked with. */
export class UdpResponder {
  readonly #facts: AnnouncementFacts
  readonly #port: number
  readonly #onFault: (where: string, error: unknown) => void
  readonly #limit = new RateLimit(EACH, ALL, performance.now())
  readonly #sockets = new Map<Family, Socket>()
  readonly #joined = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** Those that are answered in, and all there are. */
  #networks: readonly Network[] = []
  #all: readonly Network[] = []

  constructor(facts: AnnouncementFacts, port: number, onFault: (where: string, error: unknown) => void) {
    this.#facts = facts
    this.#port = port
    this.#onFault = onFault
  }

  /** Opens the port. A fault is told, and nothing is answered then. */
  async open(): Promise<void> {
    for (const [family, host] of [
      ['IPv4', '0.0.0.0'],
      ['IPv6', '::'],
    ] as const) {
      try {
        const onDatagram = (bytes: Uint8Array, from: { address: string; port: number }) =>
          this.#receive(family, bytes, from.address, from.port)
        this.#sockets.set(family, await openSocket(family, { host, port: this.#port, shared: true }, onDatagram))
      } catch (error) {
        // A machine without IPv6 is no fault.
        if (family === 'IPv4') this.#onFault(`UDP queries on port ${this.#port}`, error)
      }
    }
  }

  /** Joins the group in each IPv4 network. */
  update(networks: readonly Network[], all: readonly Network[]): void {
    this.#networks = networks
    this.#all = all
    const present = new Set(networks.map(networkKey))
    for (const key of this.#joined) if (!present.has(key)) this.#joined.delete(key)
    for (const network of networks) {
      if (network.family !== 'IPv4' || this.#joined.has(networkKey(network))) continue
      this.#joined.add(networkKey(network))
      try {
        this.#sockets.get('IPv4')?.addMembership(QUERY_GROUP, network.address)
      } catch {
        // The interface takes no multicasts, or is in the group by another address: broadcasts arrive without it.
      }
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await Promise.all([...this.#sockets.values()].map(closeSocket))
    this.#sockets.clear()
  }

  #receive(family: Family, bytes: Uint8Array, address: string, port: number): void {
    const query = decodeQuery(bytes)
    if (!query || port === 0) return
    const facts = this.#factsFor(address)
    if (!facts || !query.roles.includes(facts.role)) return
    if (!this.#limit.take(addressBlock(address), performance.now())) return
    const answer = encodeAnswer({ ...facts, nonce: query.nonce })
    const send = () => {
      const socket = this.#sockets.get(family)
      if (socket) void sendTo(socket, answer, port, address)
    }
    if (facts.role === 'gateway') return send()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      send()
    }, Math.random() * LONGEST_DELAY)
    this.#timers.add(timer)
  }

  /** What this sender is told: what can be reached from its network. Undefined: it gets no answer. */
  #factsFor(address: string): Facts | undefined {
    const network = this.#all.find((network) => contains(network, address))
    if (!network) return isCloseBy(address) ? this.#facts.routed : undefined
    // This machine itself may always ask.
    const isAnswered = network.internal || this.#networks.some((own) => networkKey(own) === networkKey(network))
    return isAnswered ? this.#facts.at([network.address])?.facts : undefined
  }
}
