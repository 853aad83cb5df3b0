import type { Server, Socket } from 'node:net'
import type { RelayClock } from './clock.js'
import { addressBlock } from './ip-address.js'
import { TokenBucket } from './token-bucket.js'

/** After so long without a connection an address is forgotten, ms. */
const MEMORY = 60_000
/** Addresses that are remembered; beyond that all are forgotten that have no connection. */
const MAX_ADDRESSES = 65_536

/** What one address has, and how fast it may go on. */
interface Address {
  readonly bucket: TokenBucket
  count: number
  /** When it had its last connection, ms. */
  seen: number
}

export interface ConnectionLimits {
  /** At once. */
  readonly perAddress: number
  /** New ones of an address every second, once it has opened {@link perAddress}. */
  readonly perSecond: number
}

/**
 * The TCP connections of a server, before and after TLS and HTTP. One address has a share of them only, and of their beginnings, as each
 * costs a handshake of TLS before anybody can be refused in words.
 */
export class Connections {
  readonly #limits: ConnectionLimits | undefined
  readonly #clock: RelayClock
  readonly #sockets = new Set<Socket>()
  readonly #addresses = new Map<string, Address>()

  /** @param limits undefined where all come from a proxy */
  constructor(server: Server, clock: RelayClock, limits: ConnectionLimits | undefined) {
    this.#limits = limits
    this.#clock = clock
    server.on('connection', (socket: Socket) => this.#onConnection(socket))
  }

  /** Cuts them all. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Forgets the addresses that left a minute ago. */
  forget(now: number): void {
    const memory = this.#addresses.size > MAX_ADDRESSES ? 0 : MEMORY
    for (const [block, { count, seen }] of this.#addresses) {
      if (count === 0 && now - seen >= memory) this.#addresses.delete(block)
    }
  }

  #onConnection(socket: Socket): void {
    const address = this.#limits && this.#admit(socket, this.#limits)
    if (this.#limits && !address) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (!address) return
      address.count--
      address.seen = this.#clock.now()
    })
  }

  /** The address of the connection, with one more; undefined if it has too many. */
  #admit({ remoteAddress }: Socket, { perAddress, perSecond }: ConnectionLimits): Address | undefined {
    const now = this.#clock.now()
    const block = addressBlock(remoteAddress ?? 'unknown')
    const known = this.#addresses.get(block)
    const address = known ?? { bucket: new TokenBucket(perAddress, perSecond, now), count: 0, seen: now }
    if (!known) this.#addresses.set(block, address)
    if (address.count >= perAddress || !address.bucket.take(now)) return undefined
    address.count++
    return address
  }
}
