import type { RemoteInfo, Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  asUsmpError,
  type CryptoProvider,
  type ErrorCode,
  formatDeviceId,
  type Transport,
  type TransportSink,
  UsmpError,
} from '@usmp/core'
import { CookieIssuer, isForHandshake, makeHelloRetry, verifyHelloCookie } from '@usmp/core/datagram'
import { nodeClock } from './clock.js'
import { nodeRandom } from './crypto-node.js'
import { resolveHost } from './host-name.js'
import { addressBlock, ipBytes } from './ip-address.js'
import { formatAddress } from './tcp.js'
import { type Rate, RateLimit } from './token-bucket.js'
import { openUdpSocket } from './udp.js'

/**
 * Cookies handed out to one address, and in all; and as many handshakes begun with one. A whole site behind one address may
 * start at the same moment.
 */
const HELLOS_EACH: Rate = { burst: 100, perSecond: 50 }
const HELLOS_ALL: Rate = { burst: 5_000, perSecond: 5_000 }
const HELLO = 1
const TYPE_AT = 3
const COOKIE_SECRET_SIZE = 32

/**
 * Bytes of datagrams that wait while a server is busy, for all its devices; the system may grant less. Linux counts 768 for a small
 * one, and its default of 208 KiB overflows when a thousand devices are at work and the event loop is 30 ms late.
 */
const RECEIVE_BUFFER = 1024 * 1024

/** A device has shown that it receives at its address, and begins a handshake. */
export interface UdpPeer {
  readonly transport: Transport
  /** What counts as its address for limits. */
  readonly host: string
  /** What it calls itself; unproven. */
  readonly deviceId: string
  /** Makes this the session of its address, now that it is proven; the one before ends with REPLACED. */
  takeOver(): void
  /** Called once, when the transport has ended. */
  onEnd(callback: () => void): void
  /** Ends it at once, whatever is still to be sent. */
  destroy(): void
}

/** At one address and port: the session, and beside it the handshake of a device that has restarted there. */
interface PeerEntry {
  session?: Peer | undefined
  handshake?: Peer | undefined
}

/**
 * One socket for all devices (specification, sections 7.2 and 7.9): hands out cookies without remembering anything, and
 * gives every datagram to the handshake or session of its address.
 */
export class UdpListener {
  readonly #socket: Socket
  readonly #provider: CryptoProvider
  readonly #cookieIssuer: CookieIssuer
  readonly #cookieRate = new RateLimit(HELLOS_EACH, HELLOS_ALL, nodeClock.now())
  /** A cookie is good for half a minute and more, and each handshake costs a key pair, or an event that tells of a refusal. */
  readonly #handshakeRate = new RateLimit(HELLOS_EACH, HELLOS_ALL, nodeClock.now())
  readonly #entries = new Map<string, PeerEntry>()
  readonly #dropped = new Map<ErrorCode, number>()
  readonly #onPeer: (peer: UdpPeer) => void
  #open = true

  private constructor(socket: Socket, provider: CryptoProvider, onPeer: (peer: UdpPeer) => void) {
    this.#socket = socket
    this.#provider = provider
    this.#cookieIssuer = new CookieIssuer(provider, nodeRandom(COOKIE_SECRET_SIZE))
    this.#onPeer = onPeer
    socket.on('message', (datagram, from) => this.#receive(datagram, from))
  }

  /**
   * Takes a port.
   * @param onPeer opens the transport of a peer at once, or aborts it
   * @throws UsmpError TRANSPORT_FAILED if the port cannot be had
   */
  static async bind(
    { host, port }: { host: string; port: number },
    provider: CryptoProvider,
    onPeer: (peer: UdpPeer) => void,
    onFault: (error: unknown) => void,
  ): Promise<UdpListener> {
    try {
      const socket = await bindSocket(host, port)
      socket.on('error', onFault)
      return new UdpListener(socket, provider, onPeer)
    } catch (cause) {
      const detail = `cannot listen on UDP ${formatAddress(host, port)}: ${(cause as Error).message}`
      throw new UsmpError('TRANSPORT_FAILED', detail, { cause, hint: 'Choose another port, or end what holds it.' })
    }
  }

  get address(): AddressInfo {
    return this.#socket.address()
  }

  /** Datagrams that belonged to no handshake or session and were dropped, by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#dropped
  }

  /** Ends the socket; sessions have to be ended before. */
  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    const key = formatAddress(from.address, from.port)
    const entry = this.#entries.get(key)
    try {
      if (datagram[TYPE_AT] === HELLO && datagram[0] === 0xcd) return this.#receiveHello(datagram, from, key, entry)
    } catch (error) {
      return this.#count(asUsmpError(error, 'INVALID_ARGUMENT').code)
    }
    const { session, handshake } = entry ?? {}
    const target = isForHandshake(datagram) ? (handshake ?? session) : (session ?? handshake)
    if (target) target.deliver(datagram)
    else this.#count('UNEXPECTED_PACKET')
  }

  #receiveHello(datagram: Uint8Array, from: RemoteInfo, key: string, entry: PeerEntry | undefined): void {
    const guard = this.#cookieIssuer.at(ipBytes(from.address), from.port, nodeClock.now())
    const hello = verifyHelloCookie(datagram, guard)
    if (!hello.cookie) {
      if (!this.#cookieRate.take(addressBlock(from.address), nodeClock.now()))
        return this.#count('TOO_MANY_CONNECTIONS')
      for (const answer of makeHelloRetry(datagram, guard, this.#provider)) this.#send(answer, from)
      return
    }
    const { session, handshake } = entry ?? {}
    // Repeated, as its acknowledgement was lost: the handshake or session knows what to do.
    const current = handshake ?? session
    if (current?.beganWith(datagram)) return current.deliver(datagram)
    if (!this.#handshakeRate.take(addressBlock(from.address), nodeClock.now()))
      return this.#count('TOO_MANY_CONNECTIONS')
    if (handshake) return handshake.receiveHello(datagram)
    this.#begin(datagram, formatDeviceId(hello.deviceId), from, key)
  }

  #begin(datagram: Uint8Array, deviceId: string, from: RemoteInfo, key: string): void {
    const entry = this.#entries.get(key) ?? {}
    this.#entries.set(key, entry)
    const peer: Peer = new Peer(key, addressBlock(from.address), deviceId, {
      send: (frame) => this.#send(frame, from),
      takeOver: () => {
        const older = entry.session
        entry.session = peer
        entry.handshake = undefined
        older?.destroy(new UsmpError('REPLACED'))
      },
      leave: () => {
        if (entry.session === peer) entry.session = undefined
        if (entry.handshake === peer) entry.handshake = undefined
        if (!entry.session && !entry.handshake) this.#entries.delete(key)
      },
    })
    entry.handshake = peer
    this.#onPeer(peer)
    peer.receiveHello(datagram)
  }

  #send(datagram: Uint8Array, { address, port }: RemoteInfo): void {
    // What the system does not take is lost like any datagram, and repeated.
    if (this.#open) this.#socket.send(datagram, port, address, () => {})
  }

  #count(code: ErrorCode): void {
    this.#dropped.set(code, (this.#dropped.get(code) ?? 0) + 1)
  }
}

interface PeerActions {
  send(frame: Uint8Array): void
  takeOver(): void
  leave(): void
}

/** One handshake, and the session it becomes. */
class Peer implements UdpPeer {
  readonly transport: Transport
  readonly host: string
  readonly deviceId: string
  readonly #actions: PeerActions
  #sink: TransportSink | undefined
  #hello: Uint8Array | undefined
  #ended = false
  #onEnd: (() => void) | undefined

  constructor(address: string, host: string, deviceId: string, actions: PeerActions) {
    this.host = host
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

  onEnd(callback: () => void): void {
    this.#onEnd = callback
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
  destroy(reason?: UsmpError): void {
    const sink = this.#sink
    this.#leave()
    sink?.end(reason)
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink = undefined
    this.#actions.leave()
    this.#onEnd?.()
  }
}

async function bindSocket(host: string, port: number): Promise<Socket> {
  const [address = host] = await resolveHost(host, { timeout: 0 })
  const socket = openUdpSocket(address, { recvBufferSize: RECEIVE_BUFFER })
  try {
    // An address needs no look-up, so that this may happen at once.
    const listening = once(socket, 'listening')
    socket.bind(port, address)
    await listening
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}
