import { type Transport, type TransportSink, toHex, UsmpError } from '@usmp/core'
import { ClosedByRelay, type Dial } from '../../src/dial.ts'
import { CloseCode, decodeJoin, type Join, RelayMessage, type Side } from '../../src/wire.ts'

/** What a relay makes of a message that it should pass on. */
export type Alter = (message: Uint8Array, from: Side) => readonly Uint8Array[]

/** A relay without a network: messages take one turn of the event loop. It does what a test tells it, right or wrong. */
export class MemoryRelay {
  /** Whether it can be reached. */
  up = true
  /** Every JOIN that came. */
  readonly joins: Join[] = []
  readonly urls: URL[] = []
  alter: Alter = (message) => [message]
  /** The code and words with which each JOIN is answered, instead of a circuit. */
  refusal: readonly [code: number, reason: string] | undefined
  readonly sockets = new Set<RelaySocket>()

  readonly dial: Dial = async (url, { signal }) => {
    if (signal?.aborted) throw new UsmpError('ABORTED')
    if (!this.up) throw new UsmpError('UNREACHABLE', `${url}: nobody listens`)
    this.urls.push(url)
    const socket = new RelaySocket(this)
    this.sockets.add(socket)
    return socket
  }

  /** As when its process is killed: nobody is told why. */
  kill(): void {
    this.up = false
    for (const socket of [...this.sockets]) socket.drop()
  }

  receive(socket: RelaySocket, message: Uint8Array): void {
    if (socket.join) return socket.peer && this.#pass(socket, message)
    const join = decodeJoin(message)
    if (!join) return socket.drop(new ClosedByRelay(CloseCode.NO_JOIN, 'no JOIN'))
    this.joins.push(join)
    if (this.refusal) return socket.drop(new ClosedByRelay(...this.refusal))
    socket.join = join
    this.#place(socket, join)
  }

  #place(socket: RelaySocket, join: Join): void {
    const others = [...this.sockets].filter((other) => other !== socket && other.isOn(join.route))
    const older = others.find((other) => other.join?.side === join.side)
    older?.drop(new ClosedByRelay(CloseCode.TAKEN, 'a newer one'))
    const peer = others.find((other) => other !== older && !other.peer && other.join?.side !== join.side)
    if (!peer) return socket.say(RelayMessage.WAITING)
    socket.peer = peer
    peer.peer = socket
    for (const end of [socket, peer]) end.say(RelayMessage.PEER)
  }

  #pass(socket: RelaySocket, message: Uint8Array): void {
    for (const one of this.alter(message, socket.join!.side)) socket.peer?.deliver(one)
  }
}

/** One connection, as the transport of the peer that dialled. */
export class RelaySocket implements Transport {
  readonly kind = 'message'
  readonly address = 'memory'
  join: Join | undefined
  peer: RelaySocket | undefined
  /** Told when it is over, for a relay that has kept the other end for itself. */
  onDropped: (() => void) | undefined
  readonly #relay: MemoryRelay
  #sink: TransportSink | undefined
  #paused = false
  #incoming: (() => void)[] = []

  constructor(relay: MemoryRelay) {
    this.#relay = relay
  }

  isOn(route: Uint8Array): boolean {
    return this.join !== undefined && toHex(this.join.route) === toHex(route)
  }

  say(word: number): void {
    this.deliver(Uint8Array.of(word))
  }

  deliver(message: Uint8Array): void {
    setImmediate(() => this.#arrive(() => this.#sink?.receive(message)))
  }

  /** Ends it from the side of the relay, and its peer with it. */
  drop(cause?: unknown): void {
    if (!this.#relay.sockets.delete(this)) return
    this.onDropped?.()
    this.peer?.drop(cause ? new ClosedByRelay(CloseCode.PEER_GONE, 'gone') : undefined)
    setImmediate(() =>
      this.#arrive(() => {
        const sink = this.#sink
        this.#sink = undefined
        sink?.end(cause)
      }),
    )
  }

  #arrive(event: () => void): void {
    this.#incoming.push(event)
    if (!this.#paused) this.resume()
  }

  open(sink: TransportSink): void {
    this.#sink = sink
    this.resume()
  }

  write(frames: readonly Uint8Array[]): boolean {
    const copies = frames.map((frame) => new Uint8Array(frame))
    setImmediate(() => {
      if (this.#relay.sockets.has(this)) for (const frame of copies) this.#relay.receive(this, frame)
    })
    return true
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    while (!this.#paused && this.#incoming.length > 0) this.#incoming.shift()!()
  }

  async close(): Promise<void> {
    this.abort()
  }

  abort(): void {
    this.#sink = undefined
    setImmediate(() => this.drop(new ClosedByRelay(CloseCode.PEER_GONE, 'it left')))
  }
}
