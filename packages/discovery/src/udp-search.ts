import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { equalBytes } from '@usmp/core'
import type { Role } from './facts.js'
import type { SearchHandler } from './mdns-search.js'
import { type Link, NetworkLinks } from './network-links.js'
import { broadcastOf, contains, type Family, familyOf, isCloseBy, isLinkLocal6, type Network } from './networks.js'
import { decodeAnswer, encodeQuery, NONCE_SIZE, QUERY_GROUP } from './query.js'
import type { SearchReport } from './search-report.js'
import { closeSocket, openSocket, sendTo } from './sockets.js'

/** Every host of a link. */
const ALL_NODES = 'ff02::1'
/** Rounds whose answers still count. */
const ROUNDS = 2
/** Addresses of one host that are asked. */
const MAX_HOST_ADDRESSES = 4

/** Where queries leave to one network. */
class QueryLink implements Link {
  readonly network: Network
  readonly #socket: Socket

  constructor(network: Network, socket: Socket) {
    this.network = network
    this.#socket = socket
  }

  /** What went wrong, if nothing could be sent. */
  async ask(query: Uint8Array, port: number): Promise<Error | undefined> {
    let fault: Error | undefined
    let sent = 0
    for (const target of targetsOf(this.network)) {
      const error = await sendTo(this.#socket, query, port, target)
      if (error) fault ??= error
      else sent++
    }
    return sent > 0 ? undefined : fault
  }

  close(): Promise<void> {
    return closeSocket(this.#socket)
  }
}

function targetsOf(network: Network): string[] {
  if (network.family === 'IPv6') return [`${ALL_NODES}%${network.name}`]
  const broadcast = broadcastOf(network)
  return broadcast === undefined ? [QUERY_GROUP] : [broadcast, QUERY_GROUP]
}

/** Asks by UDP queries: all of each network, and hosts one by one. Only answers to one of the last two rounds count. */
export class UdpSearch {
  readonly #roles: readonly Role[]
  readonly #port: number
  readonly #hosts: readonly string[]
  readonly #handler: SearchHandler
  readonly #report: SearchReport
  readonly #links: NetworkLinks<QueryLink>
  readonly #hostSockets = new Map<Family, Socket>()
  #nonces: Uint8Array[] = []
  #networks: readonly Network[] = []
  #closed = false

  constructor(
    { roles, port, hosts }: { roles: readonly Role[]; port: number; hosts: readonly string[] },
    handler: SearchHandler,
    report: SearchReport,
  ) {
    this.#roles = roles
    this.#port = port
    this.#hosts = hosts
    this.#handler = handler
    this.#report = report
    this.#links = new NetworkLinks(
      (network) => this.#open(network),
      (network, error) => report.fault(`UDP query on ${network.name}`, error),
    )
  }

  update(networks: readonly Network[]): Promise<void> {
    this.#networks = networks
    return this.#links.update(networks.filter(({ family, address }) => family === 'IPv4' || isLinkLocal6(address)))
  }

  /** One round of queries, with a nonce of its own. */
  async ask(): Promise<void> {
    const nonce = Uint8Array.from(randomBytes(NONCE_SIZE))
    this.#nonces = [nonce, ...this.#nonces].slice(0, ROUNDS)
    const query = encodeQuery({ nonce, roles: this.#roles })
    for (const link of this.#links.all) {
      const error = await link.ask(query, this.#port)
      if (error) this.#report.notAsked('udp', link.network, error)
      else this.#report.asked('udp', link.network)
    }
    await Promise.all(this.#hosts.map((host) => this.#askHost(host, query)))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#links.close()
    await Promise.all([...this.#hostSockets.values()].map(closeSocket))
  }

  async #open(network: Network): Promise<QueryLink> {
    const { family, name, address } = network
    // From our address in this network: the answer comes back the same way.
    const host = family === 'IPv4' ? address : '::'
    const socket = await openSocket(family, { host, port: 0, shared: false }, (bytes, from) => {
      if (this.#mayAnswerAll(from.address)) this.#receive(bytes, from.address)
      else this.#report.ignored++
    })
    try {
      socket.setMulticastInterface(family === 'IPv4' ? address : `::%${name}`)
      socket.setMulticastTTL(1)
      if (family === 'IPv4') socket.setBroadcast(true)
    } catch (error) {
      await closeSocket(socket)
      throw error
    }
    return new QueryLink(network, socket)
  }

  /** A question to a whole network reaches nobody in the Internet: an answer from there is forged. */
  #mayAnswerAll(address: string): boolean {
    return isCloseBy(address) || this.#networks.some((network) => contains(network, address))
  }

  async #askHost(host: string, query: Uint8Array): Promise<void> {
    try {
      const addresses = familyOf(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address)
      for (const address of addresses.slice(0, MAX_HOST_ADDRESSES)) {
        const socket = await this.#hostSocket(familyOf(address)!)
        const error = socket && (await sendTo(socket, query, this.#port, address))
        if (error) throw error
      }
      this.#report.askedHost(host)
    } catch (error) {
      this.#report.fault(`UDP query to ${host}`, error)
    }
  }

  async #hostSocket(family: Family): Promise<Socket | undefined> {
    const known = this.#hostSockets.get(family)
    if (known || this.#closed) return known
    const host = family === 'IPv4' ? '0.0.0.0' : '::'
    const socket = await openSocket(family, { host, port: 0, shared: false }, (bytes, from) =>
      this.#receive(bytes, from.address),
    )
    const first = this.#hostSockets.get(family)
    if (first || this.#closed) {
      await closeSocket(socket)
      return first
    }
    this.#hostSockets.set(family, socket)
    return socket
  }

  #receive(bytes: Uint8Array, source: string): void {
    const answer = decodeAnswer(bytes)
    if (
      !answer ||
      !this.#nonces.some((nonce) => equalBytes(nonce, answer.nonce)) ||
      !this.#roles.includes(answer.role)
    ) {
      this.#report.ignored++
      return
    }
    const { nonce: _, ...facts } = answer
    const network = this.#networks.find((network) => contains(network, source))
    this.#handler.onSeen(facts, [source], {
      by: 'udp',
      source,
      ...(network ? { interface: network.name } : {}),
    })
  }
}
