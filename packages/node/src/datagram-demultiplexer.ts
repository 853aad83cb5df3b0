import {
  asUsmpError,
  type ErrorCode,
  formatDeviceId,
  PacketType,
  type Transport,
  type TransportSink,
  UsmpError,
} from '@usmp/core'
import { isForHandshake } from '@usmp/core/datagram'

/** Where the type stands in a frame, and the first byte of one (specification, section 1.1). */
const TYPE_AT = 3
const FRAME_MAGIC = 0xcd

/** What a {@link DatagramDemultiplexer} does not know: the kind of address that its datagrams come from. */
export interface DatagramNetwork<Source> {
  /**
   * Looks at a HELLO before anything is kept about its source.
   * @returns the device id that it claims; undefined if the source has yet to show that it receives, and was told how
   * @throws UsmpError if the datagram is to be dropped; it is counted by the code
   */
  validateHello(datagram: Uint8Array, source: Source): Uint8Array | undefined
  /** Whether a handshake may begin for this source now; then it counts as begun. */
  mayBegin(source: Source): boolean
  send(datagram: Uint8Array, source: Source): void
  /** A handshake begins: opens the transport of the peer before it returns, or aborts it. */
  onPeer(peer: DatagramPeer, source: Source): void
}

/** At one key: the session, and beside it the handshake of a device that has restarted there. */
interface PeerEntry {
  session?: Peer | undefined
  handshake?: Peer | undefined
}

/**
 * Gives every datagram of a shared socket to the handshake or session of its source (specification, sections 7.2 and 7.9).
 * A source is named by a key, which may be any text: address and port, or a topic. It owns one entry for each key that has a
 * handshake or session, and no socket: {@link DatagramNetwork} is the network, and bounds how many handshakes begin.
 *
 * `receive` is called for each datagram; `onPeer` follows for each HELLO that begins a handshake. A peer leaves when its
 * transport is closed or aborted. What must not happen: that anything is kept for a source that has not shown that it
 * receives, or that an unproven HELLO ends a session.
 */
export class DatagramDemultiplexer<Source> {
  readonly #network: DatagramNetwork<Source>
  readonly #entries = new Map<string, PeerEntry>()
  readonly #dropped = new Map<ErrorCode, number>()
  readonly #onEmpty: (() => void)[] = []

  constructor(network: DatagramNetwork<Source>) {
    this.#network = network
  }

  /** Datagrams that belonged to no handshake or session and were dropped, by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#dropped
  }

  /** Resolves when no handshake or session is left. */
  async empty(): Promise<void> {
    if (this.#entries.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }

  /** Ends every handshake and session that is left, from the side of the network. */
  destroyAll(reason: UsmpError): void {
    for (const { session, handshake } of [...this.#entries.values()]) {
      handshake?.destroy(reason)
      session?.destroy(reason)
    }
  }

  /** @param key names the source, also for people */
  receive(datagram: Uint8Array, key: string, source: Source): void {
    const entry = this.#entries.get(key)
    try {
      if (datagram[TYPE_AT] === PacketType.HELLO && datagram[0] === FRAME_MAGIC) {
        return this.#receiveHello(datagram, key, source, entry)
      }
    } catch (error) {
      return this.#drop(asUsmpError(error, 'INVALID_ARGUMENT').code)
    }
    const { session, handshake } = entry ?? {}
    const target = isForHandshake(datagram) ? (handshake ?? session) : (session ?? handshake)
    if (target) target.deliver(datagram)
    else this.#drop('UNEXPECTED_PACKET')
  }

  #receiveHello(datagram: Uint8Array, key: string, source: Source, entry: PeerEntry | undefined): void {
    const deviceId = this.#network.validateHello(datagram, source)
    if (!deviceId) return
    const { session, handshake } = entry ?? {}
    // Repeated, as its acknowledgement was lost: the handshake or session knows what to do.
    const current = handshake ?? session
    if (current?.beganWith(datagram)) return current.deliver(datagram)
    if (!this.#network.mayBegin(source)) return this.#drop('TOO_MANY_CONNECTIONS')
    if (handshake) return handshake.receiveHello(datagram)
    this.#begin(datagram, formatDeviceId(deviceId), key, source)
  }

  #begin(datagram: Uint8Array, deviceId: string, key: string, source: Source): void {
    const entry = this.#entries.get(key) ?? {}
    this.#entries.set(key, entry)
    const peer: Peer = new Peer(key, deviceId, {
      send: (frame) => this.#network.send(frame, source),
      takeOver: () => {
        const older = entry.session
        entry.session = peer
        entry.handshake = undefined
        older?.destroy(new UsmpError('REPLACED'))
      },
      leave: () => {
        if (entry.session === peer) entry.session = undefined
        if (entry.handshake === peer) entry.handshake = undefined
        if (!entry.session && !entry.handshake) this.#removeEntry(key)
      },
    })
    entry.handshake = peer
    this.#network.onPeer(peer, source)
    peer.receiveHello(datagram)
  }

  #removeEntry(key: string): void {
    this.#entries.delete(key)
    if (this.#entries.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  #drop(code: ErrorCode): void {
    this.#dropped.set(code, (this.#dropped.get(code) ?? 0) + 1)
  }
}

/** A device that begins a handshake, and the session that it may become. */
export interface DatagramPeer {
  readonly transport: Transport
  /** What it calls itself; unproven. */
  readonly deviceId: string
  /** Makes this the session of its key, now that it is proven; the one before ends with REPLACED. */
  takeOver(): void
}

interface PeerActions {
  send(frame: Uint8Array): void
  takeOver(): void
  leave(): void
}

class Peer implements DatagramPeer {
  readonly transport: Transport
  readonly deviceId: string
  readonly #actions: PeerActions
  #sink: TransportSink | undefined
  #hello: Uint8Array | undefined
  #ended = false

  constructor(address: string, deviceId: string, actions: PeerActions) {
    this.deviceId = deviceId
    this.#actions = actions
    this.transport = {
      kind: 'datagram',
      address,
      open: (sink) => {
        this.#sink = sink
      },
      write: (frames) => {
        if (!this.#ended) for (const frame of frames) actions.send(frame)
        return true
      },
      pause() {},
      resume() {},
      close: async () => this.#leave(),
      abort: () => this.#leave(),
    }
  }

  takeOver(): void {
    if (!this.#ended) this.#actions.takeOver()
  }

  deliver(datagram: Uint8Array): void {
    this.#sink?.receive(datagram)
  }

  receiveHello(datagram: Uint8Array): void {
    this.#hello = datagram
    this.deliver(datagram)
  }

  beganWith(datagram: Uint8Array): boolean {
    return this.#hello !== undefined && Buffer.compare(this.#hello, datagram) === 0
  }

  /** Ends it from the side of the network. */
  destroy(reason: UsmpError): void {
    const sink = this.#sink
    this.#leave()
    sink?.end(reason)
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink = undefined
    this.#actions.leave()
  }
}
