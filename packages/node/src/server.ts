import { once } from 'node:events'
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AcceptOptions,
  type Authorization,
  asUsmpError,
  type CryptoProvider,
  type DatagramOptions,
  type ErrorCode,
  Session,
  type SharedLine,
  type Transport,
  UsmpError,
  type WireVersion,
} from '@usmp/core'
import { DatagramLink } from '@usmp/core/datagram'
import { checkOptions } from '@usmp/core/options'
import { nodeClock } from './clock.js'
import { nodeProvider, nodeRandom } from './crypto-node.js'
import { prepareSuite } from './crypto-sodium.js'
import { addressBlock } from './ip-address.js'
import { Lockout } from './lockout.js'
import { listenTable } from './options.js'
import { authorizer, type PskOptions } from './psk-source.js'
import { type SerialLine, shareLine } from './serial.js'
import { assertPort, DEFAULT_HOST, DEFAULT_PORT, formatAddress, startListening, tcpTransport } from './tcp.js'
import { UdpListener, type UdpVisit } from './udp.js'
import { type Visitor, WebSocketDoor, type WebSocketOptions } from './websocket.js'

export interface ListenOptions extends PskOptions {
  /**
   * Default host 127.0.0.1, which only this machine reaches: give `0.0.0.0` or `::` to let in devices from the network.
   * Default port 9000; port 0 takes a free one, see {@link Server.port}. Left out together with `udp`, `websocket` and
   * `serial` it means these defaults.
   */
  readonly tcp?: { readonly host?: string; readonly port?: number }
  /** The same for UDP, see {@link Server.udpPort}; it may have the same number as the TCP port. */
  readonly udp?: { readonly host?: string; readonly port?: number }
  /** On UDP: messages under way at once, and the order of those that arrive. */
  readonly datagram?: DatagramOptions
  /** WebSockets, on a port of their own or on an HTTP server of the application. */
  readonly websocket?: WebSocketOptions
  /** A serial line to serve; it is opened again when it ends. */
  readonly serial?: SerialLine
  /** What becomes of a second session of one device: it takes the place of the first (default), or is turned away. */
  readonly duplicates?: 'replace' | 'reject'
  /**
   * Connections at once, in all; default 1000. At any of the three limits a handshake gives way to a newcomer, the oldest of
   * the address that has most of them, so that idle connections keep nobody out; without one the newcomer is turned away.
   */
  readonly maxConnections?: number
  /** Connections at once from one address (of IPv6: from one /64, which one host may have for itself); default 250. */
  readonly maxConnectionsPerAddress?: number
  /** Handshakes at once; default 250. */
  readonly maxHandshakes?: number
  /** ms for a whole handshake; 0 for never; default 10000. */
  readonly handshakeTimeout?: number
  /**
   * ms without an authentic frame after which a session ends; 0 for never; default 60000. So it does when the
   * transport takes nothing for so long, except on a serial line.
   */
  readonly idleTimeout?: number
  /** ms of silence after which the server itself sends a PING; 0 (default) for never, as clients do it. */
  readonly keepalive?: number
  /** Packet types 0x0C–0xFE that this application understands. */
  readonly extensions?: readonly number[]
  /** Also lets in old firmware of wire version 1, whose encryption is broken; each such session is a `warning`. */
  readonly unsafeWireVersion1?: boolean
  /** Default: node:crypto. */
  readonly provider?: CryptoProvider
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal
}

/** A peer was turned away; the wire does not say why, this does. */
export class RefusedEvent extends Event {
  /** `host:port` of the peer. */
  readonly address: string
  /** What the peer called itself, if it came that far; proven for DUPLICATE_DEVICE only. */
  readonly deviceId: string | undefined
  readonly error: UsmpError

  constructor(address: string, deviceId: string | undefined, error: UsmpError) {
    super('refused')
    this.address = address
    this.deviceId = deviceId
    this.error = error
  }
}

/** A session began (`session`) or ended (`ended`, see `session.signal.reason`). */
export class SessionEvent extends Event {
  readonly session: Session
  /** Of `session` only: the older session of the same device. It ends after this event, with REPLACED; a last word still leaves. */
  readonly replaced: Session | undefined

  constructor(type: 'session' | 'ended', session: Session, replaced?: Session) {
    super(type)
    this.session = session
    this.replaced = replaced
  }
}

/** Something is insecure, or the listening socket had a fault; nothing ended because of it. */
export class WarningEvent extends Event {
  readonly message: string
  readonly cause: unknown

  constructor(message: string, cause?: unknown) {
    super('warning')
    this.message = message
    this.cause = cause
  }
}

interface ServerEvents {
  refused: RefusedEvent
  session: SessionEvent
  ended: SessionEvent
  warning: WarningEvent
}

/** In place of what could end a handshake that is over. */
const OVER = new AbortController()
/** Between two attempts to open a serial line, ms. */
const LINE_PAUSE = 500
/** Until a connection to the WebSocket port has to have asked for a WebSocket, ms; as long as for a handshake. */
const UPGRADE_TIMEOUT = 10_000

/**
 * Listens for devices.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK; TRANSPORT_FAILED if the port cannot be had
 */
export function listen(options: ListenOptions): Promise<Server> {
  return Server.listen(options)
}

/**
 * A server of sessions: iterate it to get them, and listen to its events `session`, `ended`, `refused` and `warning`.
 * Made by {@link listen}.
 */
export class Server extends EventTarget implements AsyncIterable<Session> {
  readonly #options: ListenOptions
  readonly #authorize: AcceptOptions['authorize']
  /** What all sessions have in common. */
  readonly #sessionOptions: Omit<AcceptOptions, 'authorize' | 'signal'>
  readonly #net: NetServer
  readonly #lockout = new Lockout()
  readonly #connections = new Map<string, number>()
  #connectionCount = 0
  /** In order of arrival. */
  readonly #handshakes = new Set<Visitor>()
  readonly #sessions = new Map<string, Session>()
  readonly #open = new Set<Session>()
  #backlog: Session[] = []
  #wake: (() => void) | undefined
  #door: WebSocketDoor | undefined
  #line: SharedLine | undefined
  #lineHold: ReturnType<typeof setInterval> | undefined
  #udp: UdpListener | undefined
  #closing: Promise<void> | undefined
  readonly #onAbort = () => void this.close()

  private constructor(options: ListenOptions = {}) {
    super()
    // Now, and not when the first device comes.
    checkOptions('listen', options, listenTable)
    this.#options = options
    this.#authorize = authorizer(options)
    const { handshakeTimeout, idleTimeout, keepalive, extensions, provider = nodeProvider, datagram } = options
    this.#sessionOptions = {
      datagramLink: DatagramLink,
      provider,
      random: nodeRandom,
      clock: nodeClock,
      ...defined({ handshakeTimeout, idleTimeout, keepalive, extensions, datagram }),
    }
    this.#net = createServer((socket) => this.#welcome(socket))
  }

  /** What {@link listen} does. */
  static async listen(options: ListenOptions): Promise<Server> {
    const server = new Server(options)
    await server.#start()
    return server
  }

  async #start(): Promise<void> {
    const { tcp, udp, websocket, serial, signal, sharedPsk } = this.#options
    if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    if (tcp || !(udp || websocket || serial)) await this.#listenTcp(tcp ?? {})
    if (udp) await this.#listenUdp(udp)
    if (websocket) await this.#openDoor(websocket)
    if (serial) {
      // A server keeps its process alive while it listens, also while the port is not there.
      this.#lineHold = setInterval(() => {}, 2 ** 31 - 1)
      void this.#serveLine(serial)
    }
    if (signal?.aborted) {
      await this.close()
      throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    }
    signal?.addEventListener('abort', this.#onAbort)
    if (sharedPsk) {
      process.emitWarning('one key for all devices lets any of them pose as the server to the others', {
        code: 'USMP_SHARED_PSK',
      })
    }
  }

  async #listenTcp({ host = DEFAULT_HOST, port = DEFAULT_PORT }: NonNullable<ListenOptions['tcp']>): Promise<void> {
    await startListening(this.#net, host, port)
    this.#net.on('error', (error) => this.#warn('the listening socket had a fault', error))
  }

  async #openDoor(options: WebSocketOptions): Promise<void> {
    const reception = {
      enter: (socket: Socket) => this.#enter(socket),
      receive: (transport: Transport, visitor: Visitor) => void this.#receiveVisitor(transport, visitor),
      refused: (address: string, error: UsmpError) => this.#refused(address, undefined, error),
    }
    this.#door = new WebSocketDoor(options, reception, this.#options.handshakeTimeout ?? UPGRADE_TIMEOUT)
    try {
      await this.#door.listen((error) => this.#warn('the listening socket had a fault', error))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /**
   * Where WebSockets come in, as `ws://host:port/path`.
   * @throws UsmpError NOT_CONNECTED if the server does not listen for WebSockets
   */
  get websocketUrl(): string {
    if (!this.#door) throw new UsmpError('NOT_CONNECTED', 'the server does not listen for WebSockets')
    return this.#door.url
  }

  async #listenUdp({ host = DEFAULT_HOST, port = DEFAULT_PORT }: NonNullable<ListenOptions['udp']>): Promise<void> {
    try {
      assertPort(port)
      this.#udp = await UdpListener.bind(
        { host, port },
        this.#options.provider ?? nodeProvider,
        (visit) => this.#welcomeUdp(visit),
        (error) => this.#warn('the UDP socket had a fault', error),
      )
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /**
   * The UDP port that was taken.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on UDP
   */
  get udpPort(): number {
    if (!this.#udp) throw new UsmpError('NOT_CONNECTED', 'the server does not listen on UDP')
    return this.#udp.address.port
  }

  /**
   * `host:port` of the UDP socket.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on UDP
   */
  get udpAddress(): string {
    if (!this.#udp) throw new UsmpError('NOT_CONNECTED', 'the server does not listen on UDP')
    return formatAddress(this.#udp.address.address, this.#udp.address.port)
  }

  /** UDP datagrams of no handshake or session that were dropped (noise, forgeries), by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#udp?.dropped ?? new Map()
  }

  /**
   * The TCP port that was taken.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on TCP
   */
  get port(): number {
    return this.#tcpAddress.port
  }

  /** `host:port` of the listening socket. */
  get address(): string {
    const { address, port } = this.#tcpAddress
    return formatAddress(address, port)
  }

  get #tcpAddress(): AddressInfo {
    const address = this.#net.address()
    if (!address) throw new UsmpError('NOT_CONNECTED', 'the server does not listen on TCP')
    return address as AddressInfo
  }

  /** The established sessions. */
  get sessions(): readonly Session[] {
    return [...this.#open]
  }

  override addEventListener<K extends keyof ServerEvents>(
    type: K,
    listener: (event: ServerEvents[K]) => void,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  override addEventListener(...event: Parameters<EventTarget['addEventListener']>): void
  override addEventListener(...event: unknown[]): void {
    super.addEventListener(...(event as Parameters<EventTarget['addEventListener']>))
  }

  /** Every new session, until the server is closed. Several loops share them. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Session, void, undefined> {
    for (;;) {
      const session = this.#backlog.shift()
      if (session) yield session
      else if (this.#closing) return
      else await new Promise<void>((resolve) => (this.#wake = chain(this.#wake, resolve)))
    }
  }

  /** Stops listening, ends handshakes, says BYE to every session; resolves when all is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #shutDown(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    clearInterval(this.#lineHold)
    const closed = Promise.all([
      this.#net.listening ? once(this.#net.close(), 'close') : undefined,
      this.#door?.close(),
    ])
    const reason = new UsmpError('SHUTDOWN')
    for (const visitor of this.#handshakes) visitor.abort.abort(reason)
    await Promise.all([...this.#open].map((session) => session.close(reason)))
    await this.#line?.close()
    await this.#udp?.close()
    this.#wake?.()
    await closed
  }

  #welcome(socket: Socket): void {
    const visitor = this.#enter(socket)
    if (visitor) void this.#receiveVisitor(tcpTransport(socket), visitor)
  }

  /** Counts a connection from here to its end, as an idle handshake; undefined if there is no room for it. */
  #enter(socket: Socket): Visitor | undefined {
    const host = addressBlock(socket.remoteAddress ?? 'unknown')
    const refusal = this.#closing ? new UsmpError('SHUTDOWN') : this.#makeRoom(host)
    if (refusal) {
      this.#refused(formatAddress(socket.remoteAddress, socket.remotePort), undefined, refusal)
      socket.destroy()
      return undefined
    }
    const visitor: Visitor = { host, abort: new AbortController(), deviceId: undefined }
    this.#handshakes.add(visitor)
    this.#count(host, 1)
    // Not `once`, which keeps more: it comes once all the same.
    socket.on('close', () => {
      this.#handshakes.delete(visitor)
      this.#count(host, -1)
    })
    return visitor
  }

  #welcomeUdp(visit: UdpVisit): void {
    const { transport, host, deviceId } = visit
    // On datagrams a refusal is silent: not even an acknowledgement (specification, section 3.12).
    const refusal = this.#closing
      ? new UsmpError('SHUTDOWN')
      : (this.#lockedOut(host, deviceId) ?? this.#makeRoom(host))
    if (refusal) {
      transport.abort()
      this.#refused(transport.address, deviceId, refusal)
      return
    }
    this.#count(host, 1)
    visit.onEnd(() => this.#count(host, -1))
    const visitor = { host, abort: new AbortController(), deviceId: undefined }
    void this.#receiveVisitor(transport, visitor, () => visit.takeOver())
  }

  /** Serves a line until the server closes; on a line one session follows the other, each proven before it replaces. */
  async #serveLine(line: SerialLine): Promise<void> {
    while (!this.#closing) {
      try {
        this.#line = shareLine(await line.open(), line.name)
      } catch (error) {
        this.#warn(`the serial line ${line.name} cannot be opened; trying again`, error)
        await sleep(LINE_PAUSE, undefined, { ref: false })
        continue
      }
      if (this.#closing) await this.#line.close()
      while (this.#line.open) await this.#receiveLineVisitor(this.#line, line.name)
      // A line that ends at once every time must not keep the processor busy.
      await sleep(LINE_PAUSE, undefined, { ref: false })
    }
  }

  /** Waits for the next HELLO on a line and performs its handshake, beside the session that the line may have. */
  async #receiveLineVisitor(line: SharedLine, name: string): Promise<void> {
    const visitor: Visitor = { host: name, abort: new AbortController(), deviceId: undefined }
    try {
      const session = await this.#handshake(line.join(), visitor)
      this.#lockout.succeeded(visitor.host, session.deviceId)
      line.replaceSession(session)
      await this.#admit(session)
    } catch (failure) {
      // Nobody has to say HELLO on a line.
      if (visitor.deviceId) this.#turnedAway(name, visitor, failure)
    }
  }

  /**
   * Makes room for one more connection. Where a limit is reached a handshake ends: the oldest, as honest ones take a round
   * trip or two, of the address that has most of them, so that a flood from one address ends nobody else's.
   * @returns the limit for which there is no room
   */
  #makeRoom(host: string): UsmpError | undefined {
    const { maxConnections = 1000, maxConnectionsPerAddress = 250, maxHandshakes = 250 } = this.#options
    if ((this.#connections.get(host) ?? 0) >= maxConnectionsPerAddress) {
      return this.#endOldestHandshake(`${maxConnectionsPerAddress} connections from ${host}`, host)
    }
    if (this.#connectionCount >= maxConnections) return this.#endOldestHandshake(`${maxConnections} connections`)
    if (this.#handshakes.size >= maxHandshakes) this.#endOldestHandshake(`${maxHandshakes} handshakes at once`)
    return undefined
  }

  /** @returns the limit, if no handshake (from `host`) holds a connection */
  #endOldestHandshake(limit: string, host = this.#busiestHost()): UsmpError | undefined {
    for (const visitor of this.#handshakes) {
      if (visitor.host !== host) continue
      this.#handshakes.delete(visitor)
      visitor.abort.abort(new UsmpError('LIMIT', `${limit}, and this handshake was the oldest`))
      return undefined
    }
    return new UsmpError('LIMIT', limit)
  }

  /** Who has the most handshakes under way; of equals the one with the oldest. */
  #busiestHost(): string | undefined {
    const counts = new Map<string, number>()
    for (const { host } of this.#handshakes) {
      // A handshake on a line holds no connection.
      if (this.#connections.has(host)) counts.set(host, (counts.get(host) ?? 0) + 1)
    }
    const most = Math.max(...counts.values())
    for (const [host, count] of counts) if (count === most) return host
    return undefined
  }

  #count(host: string, change: number): void {
    const count = (this.#connections.get(host) ?? 0) + change
    this.#connectionCount += change
    if (count > 0) this.#connections.set(host, count)
    else this.#connections.delete(host)
  }

  async #receiveVisitor(transport: Transport, visitor: Visitor, onAdmitted?: () => void): Promise<void> {
    try {
      const session = await this.#handshake(transport, visitor)
      this.#lockout.succeeded(visitor.host, session.deviceId)
      await this.#admit(session, onAdmitted)
    } catch (failure) {
      this.#turnedAway(transport.address, visitor, failure)
    }
  }

  #turnedAway(address: string, { host, deviceId }: Visitor, failure: unknown): void {
    const error = refusalOf(asUsmpError(failure, 'TRANSPORT_FAILED'))
    // Only a proof that was wrong counts, and only for the one who claimed the id from this address.
    if (deviceId && isWrongProof(error)) this.#lockout.failed(host, deviceId, nodeClock.now())
    this.#refused(address, deviceId, error)
  }

  async #handshake(transport: Transport, visitor: Visitor): Promise<Session> {
    // Wire version 1 knows no cookies.
    const unsafeWireVersion1 = transport.kind !== 'datagram' && this.#options.unsafeWireVersion1 === true
    this.#handshakes.add(visitor)
    try {
      return await Session.accept(transport, {
        ...this.#sessionOptions,
        unsafeWireVersion1,
        signal: visitor.abort.signal,
        authorize: (deviceId, wireVersion) => this.#authorizeVisitor(visitor, deviceId, wireVersion),
      })
    } finally {
      this.#handshakes.delete(visitor)
      // The socket keeps its visitor to its end, but what belongs to a handshake need not stay as long.
      visitor.abort = OVER
    }
  }

  async #authorizeVisitor(visitor: Visitor, deviceId: string, wireVersion: WireVersion): Promise<Authorization | null> {
    visitor.deviceId = deviceId
    const lockedOut = this.#lockedOut(visitor.host, deviceId)
    if (lockedOut) {
      visitor.abort.abort(lockedOut)
      return null
    }
    const answer = await this.#authorize(deviceId, wireVersion)
    if (!this.#options.provider) await prepareSuite(answer?.suite)
    return answer
  }

  #lockedOut(host: string, deviceId: string): UsmpError | undefined {
    const wait = this.#lockout.remaining(host, deviceId, nodeClock.now())
    return wait > 0 ? new UsmpError('LOCKED_OUT', `another ${Math.ceil(wait / 1000)} s`) : undefined
  }

  /** Takes in a session that is proven, as the policy for duplicates says; `onAdmitted` is called if it does. */
  async #admit(session: Session, onAdmitted?: () => void): Promise<void> {
    const older = this.#sessions.get(session.deviceId)
    if (older && this.#options.duplicates === 'reject') {
      const error = new UsmpError('DUPLICATE_DEVICE')
      await session.close(error)
      throw error
    }
    if (this.#closing) {
      await session.close(new UsmpError('SHUTDOWN'))
      return
    }
    onAdmitted?.()
    this.#sessions.set(session.deviceId, session)
    this.#open.add(session)
    void session.closed.then(() => this.#depart(session))
    if (session.wireVersion === 1) {
      this.#warn(`${session.deviceId} speaks wire version 1: its encryption is broken, upgrade its firmware`)
    }
    this.#queue(session)
    this.dispatchEvent(new SessionEvent('session', session, older))
    void older?.close(new UsmpError('REPLACED'))
    this.#wake?.()
    this.#wake = undefined
  }

  /** Nobody may ever ask for it, so what has ended gives way; it is kept as long as possible for what it received. */
  #queue(session: Session): void {
    const { maxConnections = 1000 } = this.#options
    this.#backlog.push(session)
    if (this.#backlog.length <= maxConnections) return
    const ended = this.#backlog.findIndex(({ signal }) => signal.aborted)
    if (ended >= 0) this.#backlog.splice(ended, 1)
  }

  #depart(session: Session): void {
    this.#open.delete(session)
    if (this.#sessions.get(session.deviceId) === session) this.#sessions.delete(session.deviceId)
    this.dispatchEvent(new SessionEvent('ended', session))
  }

  #refused(address: string, deviceId: string | undefined, error: UsmpError): void {
    this.dispatchEvent(new RefusedEvent(address, deviceId, error))
  }

  #warn(message: string, cause?: unknown): void {
    this.dispatchEvent(new WarningEvent(message, cause))
  }
}

/** What stands behind an aborted handshake is the reason that the server gave for it. */
function refusalOf(error: UsmpError): UsmpError {
  return error.code === 'ABORTED' && error.cause instanceof UsmpError ? error.cause : error
}

function isWrongProof(error: UsmpError): boolean {
  return error.code === 'AUTH_FAILED' || error.code === 'UNKNOWN_DEVICE' || error.code === 'LOW_ORDER_POINT'
}

function chain(first: (() => void) | undefined, second: () => void): () => void {
  return () => {
    first?.()
    second()
  }
}

/** The entries that have a value. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
