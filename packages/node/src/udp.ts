import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, isIPv6 } from 'node:net'
import {
  type Abortable,
  asUsmpError,
  type CryptoProvider,
  decodeFrame,
  type ErrorCode,
  formatDeviceId,
  PacketType,
  type Transport,
  type TransportSink,
  UsmpError,
} from '@usmp/core'
import { CookieIssuer, isForHandshake, makeHelloRetry, verifyHelloCookie } from '@usmp/core/datagram'
import { checkOptions } from '@usmp/core/options'
import { nodeClock } from './clock.js'
import { nodeRandom } from './crypto-node.js'
import { resolveHost } from './host-name.js'
import { addressBlock, ipBytes } from './ip-address.js'
import { udpTable } from './options.js'
import { allowManyListeners } from './signals.js'
import { assertPort, CONNECT_TIMEOUT, formatAddress } from './tcp.js'
import { type Rate, RateLimit } from './token-bucket.js'

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

/** How long one address of a name is waited for before the next one is tried too, ms (as RFC 8305, section 5). */
const NEXT_ADDRESS = 250

/** A socket whose sends are not put off by a look-up of what is an address already. */
function openSocket(address: string, options: { recvBufferSize?: number } = {}): Socket {
  return createSocket({
    ...options,
    type: isIPv6(address) ? 'udp6' : 'udp4',
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  })
}

/** A UDP socket that talks to one server. */
export interface UdpClientTransport extends Transport {
  readonly kind: 'datagram'
  /**
   * What the network reported (nobody listens there, no route), if nothing has ever arrived. Anybody can forge such a
   * report, so it ends nothing; it explains why there was no answer.
   */
  readonly fault: Error | undefined
}

/** Options of {@link connectUdp}. */
export interface UdpOptions extends Abortable {
  /** ms until the name of the host is resolved; 0 for never; default 10000. */
  readonly timeout?: number
}

/**
 * A UDP socket for one server. That somebody is there shows only in the handshake: where a name has several addresses, what
 * is sent goes to one after the other, until one answers.
 * @throws UsmpError INVALID_ARGUMENT; UNREACHABLE if the name cannot be resolved; ABORTED
 */
export async function connectUdp(host: string, port: number, options: UdpOptions = {}): Promise<UdpClientTransport> {
  checkOptions('connectUdp', options, udpTable)
  assertPort(port)
  const { timeout = CONNECT_TIMEOUT, signal } = options
  try {
    allowManyListeners(signal)
    const addresses = await resolveHost(host, { timeout, signal })
    return firstToAnswer(await connectSockets(addresses, port))
  } catch (cause) {
    if (cause instanceof UsmpError) throw cause
    throw new UsmpError('UNREACHABLE', `${formatAddress(host, port)}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * A socket for every address that this machine has a way to.
 * @throws the error of the last address, if there is a way to none
 */
async function connectSockets(addresses: readonly string[], port: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  let fault: unknown = new Error('the name has no address')
  for (const address of addresses) {
    const socket = openSocket(address)
    try {
      const connected = once(socket, 'connect')
      socket.connect(port, address)
      await connected
      sockets.push(socket)
    } catch (error) {
      socket.close()
      fault = error
    }
  }
  if (sockets.length === 0) throw fault
  return sockets
}

/** A connected UDP socket as a transport; `onFault` hears of what the network reports. */
export function udpTransport(socket: Socket, onFault: () => void = () => {}): UdpClientTransport {
  const { address, port } = socket.remoteAddress()
  let fault: Error | undefined
  let hasReceived = false
  let open = true
  const noteFault = (error: Error) => {
    fault ??= error
    onFault()
  }
  // From the first moment on: a socket without an error listener ends the process.
  socket.on('error', noteFault)
  const close = () => {
    if (open) socket.close()
    open = false
  }
  return {
    kind: 'datagram',
    address: formatAddress(address, port),
    get fault() {
      return hasReceived ? undefined : fault
    },
    open(sink) {
      socket.on('message', (datagram) => {
        hasReceived = true
        if (open) sink.receive(datagram)
      })
    },
    write(frames) {
      // What the system does not take is lost like any datagram, and repeated.
      if (open) for (const frame of frames) socket.send(frame, (error) => error && noteFault(error))
      return true
    },
    pause() {},
    resume() {},
    async close() {
      close()
    },
    abort: close,
  }
}

/** Whether a datagram can be a server's answer to HELLO; anything else comes from somebody who is none. */
function isAnswer(datagram: Uint8Array): boolean {
  try {
    const { type } = decodeFrame(datagram)
    return type === PacketType.HELLO_RETRY || type === PacketType.CHALLENGE || type === PacketType.ERROR
  } catch {
    return false
  }
}

/**
 * One transport of the sockets for all addresses of a name. Every {@link NEXT_ADDRESS} ms, and at once where the network says
 * that nobody is there, one more of them is sent what was sent last, until one answers; the others are closed then. So a
 * handshake is begun at several addresses, but goes on at one.
 */
function firstToAnswer(sockets: readonly Socket[]): UdpClientTransport {
  const candidates = sockets.map((socket, index) => udpTransport(socket, () => index === tried - 1 && tryNext()))
  let tried = 0
  let chosen = candidates.length === 1 ? candidates[0] : undefined
  let sink: TransportSink | undefined
  let sent: readonly Uint8Array[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  function tryNext(): void {
    clearTimeout(timer)
    const next = chosen ? undefined : candidates[tried]
    if (!next) return
    tried++
    next.open({
      receive(datagram) {
        if (isAnswer(datagram)) choose(next)
        if (next === chosen) sink?.receive(datagram)
      },
      drain() {},
      end() {},
    })
    next.write(sent)
    timer = setTimeout(tryNext, NEXT_ADDRESS)
  }

  function choose(answering: UdpClientTransport): void {
    if (chosen) return
    chosen = answering
    clearTimeout(timer)
    for (const other of candidates) if (other !== answering) other.abort()
  }

  function close(): void {
    clearTimeout(timer)
    for (const candidate of candidates) candidate.abort()
  }

  return {
    kind: 'datagram',
    get address() {
      return (chosen ?? candidates[0]!).address
    },
    get fault() {
      return chosen ? chosen.fault : candidates.find(({ fault }) => fault)?.fault
    },
    open(target) {
      sink = target
      if (chosen) chosen.open(target)
    },
    write(frames) {
      if (chosen) return chosen.write(frames)
      sent = frames
      if (tried === 0) tryNext()
      else for (const candidate of candidates.slice(0, tried)) candidate.write(frames)
      return true
    },
    pause() {},
    resume() {},
    async close() {
      close()
    },
    abort: close,
  }
}

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
  const socket = openSocket(address, { recvBufferSize: RECEIVE_BUFFER })
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
