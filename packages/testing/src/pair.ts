import type { UsmpError } from '@usmp/core'
import {
  type Authorization,
  type ClientOptions,
  Connection,
  type ConnectionEvent,
  type ServerOptions,
  type TransportKind,
  toHex,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { isUtack } from '@usmp/core/internal'
import { DEVICE_ID_BYTES, PSK } from './identities.js'
import { pseudoRandom } from './random.js'

export type Side = 'client' | 'server'
export const otherSide = (side: Side): Side => (side === 'client' ? 'server' : 'client')

/** Bytes under way. Tests may remove, change and add entries of {@link Pair.wire}. */
export interface Packet {
  readonly to: Side
  readonly at: number
  readonly bytes: Uint8Array
}

/** What the network does with the n-th packet of a side (from 0): the copies that arrive, and when. */
export type Network = (packet: { from: Side; index: number; bytes: Uint8Array; now: number }) => readonly {
  bytes: Uint8Array
  delay: number
}[]

export interface PairOptions {
  readonly kind?: TransportKind
  readonly latency?: number
  readonly network?: Network
  readonly seed?: number
  readonly client?: Partial<ClientOptions>
  readonly server?: Partial<ServerOptions>
  /** The server's answer to a HELLO; `undefined` gives none. Default: the right key. */
  readonly authorize?: (deviceId: Uint8Array) => Authorization | null | undefined
}

/**
 * Two connections, a clock and a wire between them; nothing happens unless a test says so. The pair owns both connections, the
 * time and every packet under way. The same options and the same seed give the same run.
 *
 * A test makes the pair, mostly calls `connect`, acts by `send`, `act` or `deliver`, lets time pass by `wait` or `run`, and reads
 * `events`, `messages`, `sent` and `reason`. It must call the connections through `act` alone: what they have to send is collected
 * there.
 */
export class Pair {
  now = 0
  readonly wire: Packet[] = []
  readonly ends: Readonly<Record<Side, Connection>>
  readonly events: Readonly<Record<Side, ConnectionEvent[]>> = { client: [], server: [] }
  /** Everything each side has sent, in order. */
  readonly sent: Readonly<Record<Side, Uint8Array[]>> = { client: [], server: [] }
  readonly #kind: TransportKind
  readonly #network: Network
  readonly #authorize: NonNullable<PairOptions['authorize']>
  readonly #hungUp = new Set<Side>()

  constructor(options: PairOptions = {}) {
    const { kind = 'stream', latency = 10, seed = 1 } = options
    this.#kind = kind
    this.#network = options.network ?? (({ bytes }) => [{ bytes, delay: latency }])
    const suite = options.client?.suite
    this.#authorize = options.authorize ?? (() => ({ psk: PSK, ...(suite ? { suite } : {}) }))
    this.ends = {
      client: Connection.client(
        {
          kind,
          reliableDatagram: ReliableDatagram,
          random: pseudoRandom(seed),
          deviceId: DEVICE_ID_BYTES,
          psk: PSK,
          ...options.client,
        },
        this.now,
      ),
      server: Connection.server(
        { kind, reliableDatagram: ReliableDatagram, random: pseudoRandom(seed + 1), ...options.server },
        this.now,
      ),
    }
    this.drive()
  }

  get client(): Connection {
    return this.ends.client
  }

  get server(): Connection {
    return this.ends.server
  }

  /** Does something at one side and puts what it sends onto the wire. */
  act<T>(side: Side, action: (connection: Connection) => T): T {
    try {
      return action(this.ends[side])
    } finally {
      this.drive()
    }
  }

  send(side: Side, message: Uint8Array): void {
    this.act(side, (connection) => connection.send(message, this.now))
  }

  /** Hands bytes to a side as if they had arrived. */
  deliver(to: Side, bytes: Uint8Array): void {
    this.act(to, (connection) => connection.receive(bytes, this.now))
  }

  /** Hands over the oldest packet for a side, whatever the clock says; false if there is none. */
  deliverNext(to: Side): boolean {
    const at = this.wire.findIndex((packet) => packet.to === to)
    if (at < 0) return false
    this.deliver(to, this.wire.splice(at, 1)[0]!.bytes)
    return true
  }

  /** Collects what both sides have to send and to report. */
  drive(): void {
    for (const side of ['client', 'server'] as const) {
      const end = this.ends[side]
      for (let bytes = end.pollTransmit(); bytes; bytes = end.pollTransmit()) {
        const index = this.sent[side].push(bytes) - 1
        for (const copy of this.#network({ from: side, index, bytes, now: this.now })) {
          this.#put({ to: otherSide(side), at: this.now + copy.delay, bytes: copy.bytes })
        }
      }
      for (let event = end.pollEvent(); event; event = end.pollEvent()) this.#note(side, event)
    }
  }

  /** The earliest thing that will happen: a packet or a timer; undefined if nothing ever will. */
  get nextAt(): number | undefined {
    const times = [this.wire[0]?.at, this.client.pollTimeout(), this.server.pollTimeout()]
    const known = times.filter((time) => time !== undefined)
    return known.length > 0 ? Math.min(...known) : undefined
  }

  /** Lets everything happen that is due up to `until`. */
  run(until: number): this {
    for (let next = this.nextAt; next !== undefined && next <= until; next = this.nextAt) {
      this.now = Math.max(this.now, next)
      const packet = this.wire[0]
      if (packet && packet.at <= this.now) {
        this.wire.shift()
        this.deliver(packet.to, packet.bytes)
      } else {
        for (const side of ['client', 'server'] as const) this.act(side, (end) => end.handleTimeout(this.now))
      }
      this.#hangUp()
    }
    this.now = until
    return this
  }

  /** Lets `ms` pass. */
  wait(ms: number): this {
    return this.run(this.now + ms)
  }

  /** Runs the handshake, which must succeed. */
  connect(): this {
    this.wait(1000)
    if (!this.client.established || !this.server.established) {
      throw new Error(`no session: client ${this.reason('client')}, server ${this.reason('server')}`)
    }
    return this
  }

  /** The frames a side has sent, in order: on datagrams without acknowledgements and repeats. */
  frames(side: Side): Uint8Array[] {
    const seen = new Set<string>()
    return this.sent[side].filter((bytes) => !isUtack(bytes) && seen.size < seen.add(toHex(bytes)).size)
  }

  messages(side: Side): Uint8Array[] {
    return this.events[side].flatMap((event) => (event.kind === 'message' ? [event.data] : []))
  }

  kinds(side: Side): string[] {
    return this.events[side].map((event) => event.kind)
  }

  /** The code a side has ended with. */
  reason(side: Side): UsmpError['code'] | undefined {
    return this.ends[side].closedReason?.code
  }

  /** In order of arrival; packets of one moment in the order they were sent. */
  #put(packet: Packet): void {
    const at = this.wire.findIndex((other) => other.at > packet.at)
    this.wire.splice(at < 0 ? this.wire.length : at, 0, packet)
  }

  #note(side: Side, event: ConnectionEvent): void {
    this.events[side].push(event)
    if (event.kind !== 'hello') return
    const answer = this.#authorize(event.deviceId)
    if (answer !== undefined) this.act(side, (end) => end.authorize(answer, this.now))
  }

  /** A connection-oriented transport tells the other side when one has closed, after everything that was sent. */
  #hangUp(): void {
    if (this.#kind !== 'stream' && this.#kind !== 'message') return
    for (const side of ['client', 'server'] as const) {
      if (!this.ends[side].closedReason || this.#hungUp.has(side)) continue
      if (this.wire.some((packet) => packet.to === otherSide(side))) continue
      this.#hungUp.add(side)
      this.act(otherSide(side), (end) => end.receiveEnd())
    }
  }
}
