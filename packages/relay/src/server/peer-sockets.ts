import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { CloseCode, decodeJoin, JOIN_TIMEOUT } from '../wire.js'
import { AddressTable } from './address-table.js'
import { Admission } from './admission.js'
import type { RelayClock } from './clock.js'
import type { RelayLimits } from './limits.js'
import { Metrics } from './metrics.js'
import { type CloseReason, RelaySocket, type SocketHandler } from './relay-socket.js'
import { RouteTable } from './routes.js'

const JOIN_TOO_LATE: CloseReason = { code: CloseCode.NO_JOIN, text: `no JOIN within ${JOIN_TIMEOUT / 1000} s` }
const NO_JOIN: CloseReason = { code: CloseCode.NO_JOIN, text: 'the first message is no JOIN of version 1' }

/** What {@link PeerSockets} needs. */
export interface PeerSocketsOptions {
  readonly limits: RelayLimits
  readonly clock: RelayClock
  /** Undefined for a relay that is open to all. */
  readonly tokenKey: Uint8Array | undefined
  readonly date: () => Date
}

/** All WebSockets of a relay. The first message of each has to be a JOIN; then its route decides. */
export class PeerSockets {
  readonly metrics = new Metrics()
  readonly addresses: AddressTable
  readonly routes: RouteTable
  readonly #admission: Admission
  readonly #limits: RelayLimits
  readonly #clock: RelayClock
  readonly #sockets = new Set<RelaySocket>()
  readonly #noteClose = (code: CloseCode) => this.metrics.noteClose(code)
  readonly #handler: SocketHandler = { onMessage: (message, socket) => this.#onFirstMessage(message, socket) }
  /** The relay stops: whoever comes now is closed for this reason. */
  #stopReason: CloseReason | undefined

  constructor({ limits, clock, tokenKey, date }: PeerSocketsOptions) {
    this.#limits = limits
    this.#clock = clock
    this.addresses = new AddressTable(limits)
    this.#admission = new Admission(limits, this.metrics, tokenKey, date)
    this.routes = new RouteTable(this.#admission, limits, this.metrics)
  }

  /** Bytes that were passed on and that the system has not taken yet. */
  get buffered(): number {
    let bytes = 0
    for (const socket of this.#sockets) bytes += socket.buffered
    return bytes
  }

  /**
   * A WebSocket has been opened.
   * @param block of its address
   */
  add(webSocket: WebSocket, below: Socket, block: string): void {
    const now = this.#clock.now()
    const address = this.addresses.enter(block, now)
    const socket = new RelaySocket({
      webSocket,
      below,
      address,
      clock: this.#clock,
      limits: this.#limits,
      handler: this.#handler,
      noteClose: this.#noteClose,
    })
    this.#sockets.add(socket)
    this.metrics.sockets++
    webSocket.on('close', () => {
      this.#sockets.delete(socket)
      this.metrics.sockets--
      this.addresses.leave(address, this.#clock.now())
    })
    socket.expireAt(now + JOIN_TIMEOUT, JOIN_TOO_LATE)
    const refusal = this.#stopReason ?? this.#admission.refusalOfSocket(address, now)
    if (refusal) socket.close(refusal)
  }

  /** Looks at all deadlines. */
  check(): void {
    const now = this.#clock.now()
    for (const socket of this.#sockets) socket.check(now)
    this.addresses.forget(now)
  }

  /** Closes all of them, and those that still come. */
  stop(reason: CloseReason): void {
    this.#stopReason = reason
    this.routes.end(reason)
    for (const socket of this.#sockets) socket.close(reason)
  }

  /** Forgets the token key. Only when no socket is left. */
  wipe(): void {
    this.#admission.wipe()
  }

  #onFirstMessage(message: Buffer, socket: RelaySocket): void {
    const join = decodeJoin(message)
    const now = this.#clock.now()
    const refusal = join ? this.#admission.refusalOfJoin(join, socket.address, now) : NO_JOIN
    if (refusal) return socket.close(refusal)
    this.metrics.joins++
    socket.startPings()
    this.routes.join(socket, join!, now)
  }
}
