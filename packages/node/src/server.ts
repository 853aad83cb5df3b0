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
  formatDeviceId,
  parseDeviceId,
  type SerialMultiplexer,
  Session,
  type Transport,
  UsmpError,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { checkOptions } from '@usmp/core/options'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import { nodeClock } from './clock.js'
import { nodeProvider, nodeRandom } from './crypto-node.js'
import { prepareSuite } from './crypto-sodium.js'
import { addressBlock, busiestOf } from './ip-address.js'
import { Lockout } from './lockout.js'
import { listenTable } from './options.js'
import { type Authorizer, authorizer, type PskOptions } from './psk-source.js'
import { type SerialLine, shareLine } from './serial.js'
import { allowManyListeners } from './signals.js'
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
   * Connections at once, in all; default 1000. At this limit and the next one a connection whose session has ended gives way
   * to a newcomer, the one that has been leaving for longest. Without one the oldest handshake of the address that has most
   * of them ends, so that idle connections keep nobody out. Without that the newcomer is turned away.
   */
  readonly maxConnections?: number
  /** Connections at once from one address (of IPv6: from one /64, which one host may have for itself); default 250. */
  readonly maxConnectionsPerAddress?: number
  /** Handshakes at once, where the oldest gives way as above, and answers of a `psk` function awaited at once; default 250. */
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
/** Handshakes at once of one device id from one address; an honest device has one or two. */
const MAX_HANDSHAKES_OF_ONE = 5
/** Between two attempts to open a serial line, ms. */
const LINE_PAUSE = 500
/** Until a connection to the WebSocket port has to have asked for a WebSocket, ms; as long as for a handshake. */
const UPGRADE_TIMEOUT = 10_000
/** Until a server that closes cuts off everybody who is still there, ms. */
const CLOSE_TIMEOUT = 3_000
/** Connections of one device that may be leaving at once, besides the one of its session. */
const MAX_LEAVING = 2
const DEFAULT_LIMITS = { maxConnections: 1000, maxConnectionsPerAddress: 250, maxHandshakes: 250 } as const

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
  readonly #limits: { readonly [K in keyof typeof DEFAULT_LIMITS]: number }
  readonly #authorize: Authorizer
  /** What all sessions have in common. */
  readonly #sessionOptions: Omit<AcceptOptions, 'authorize' | 'signal'>
  readonly #net: NetServer
  readonly #lockout = new Lockout()
  readonly #connections = new Map<string, number>()
  /** Everybody who holds a connection, from its first byte to its last. */
  readonly #visitors = new Set<Visitor>()
  /** In order of arrival. */
  readonly #handshakes = new Set<Visitor>()
  /** Whose connection is about to end, with the device that has proven itself on it; who left first comes first. */
  readonly #leaving = new Map<Visitor, string | undefined>()
  readonly #sessions = new Map<string, Session>()
  readonly #open = new Map<Session, Visitor>()
  #backlog: Session[] = []
  #wake: (() => void) | undefined
  #door: WebSocketDoor | undefined
  #line: SerialMultiplexer | undefined
  #lineHold: ReturnType<typeof setInterval> | undefined
  #udp: UdpListener | undefined
  #closing: Promise<void> | undefined
  readonly #onAbort = () => void this.close()

  private constructor(options: ListenOptions = {}) {
    super()
    // Now, and not when the first device comes.
    checkOptions('listen', options, listenTable)
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...defined(limitsOf(options)) }
    this.#authorize = authorizer(options, this.#limits.maxHandshakes)
    const { handshakeTimeout, idleTimeout, keepalive, extensions, provider = nodeProvider, datagram } = options
    this.#sessionOptions = {
      reliableDatagram: ReliableDatagram,
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
    allowManyListeners(signal)
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
    const upgradeTimeout = this.#options.handshakeTimeout ?? UPGRADE_TIMEOUT
    try {
      this.#door = new WebSocketDoor(options, reception, { upgradeTimeout, maxIdle: this.#limits.maxHandshakes })
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
    return [...this.#open.keys()]
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

  /**
   * Ends the session of a device with a BYE, and every handshake that claims its id. To withdraw a key for good, first make the
   * `psk` function answer null for the device, or it comes back. Resolves when the session has ended; at once if there is none.
   * @throws UsmpError INVALID_ARGUMENT if it is no device id
   */
  async disconnect(deviceId: string): Promise<void> {
    const id = formatDeviceId(parseDeviceId(deviceId))
    const reason = new UsmpError('CLOSED', 'the server disconnected the device')
    for (const visitor of this.#handshakes) if (visitor.deviceId === id) visitor.abort.abort(reason)
    const session = this.#sessions.get(id)
    if (session) await this.#endSession(session, this.#open.get(session), reason)
  }

  /**
   * Stops listening, ends handshakes, says BYE to every session; resolves when all is closed. Whoever is still there after 3 s
   * is cut off, so this never takes longer, and it never rejects.
   */
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
    const unbound = Promise.allSettled([
      this.#net.listening ? once(this.#net.close(), 'close') : undefined,
      this.#door?.close(),
    ])
    const reason = new UsmpError('SHUTDOWN')
    for (const visitor of this.#handshakes) visitor.abort.abort(reason)
    const sessions = [...this.#open].map(([session, visitor]) => this.#endSession(session, visitor, reason))
    const line = Promise.all(sessions).then(() => this.#line?.close())
    await withTimeout(Promise.allSettled([unbound, line]), CLOSE_TIMEOUT)
    for (const visitor of this.#visitors) visitor.connection.destroy()
    await unbound
    await this.#udp?.close()
    this.#wake?.()
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
    const visitor: Visitor = { host, abort: new AbortController(), deviceId: undefined, connection: socket }
    this.#handshakes.add(visitor)
    this.#arrive(visitor)
    // Not `once`, which keeps more: it comes once all the same.
    socket.on('close', () => this.#forget(visitor))
    return visitor
  }

  #arrive(visitor: Visitor): void {
    this.#visitors.add(visitor)
    this.#count(visitor.host, 1)
  }

  /** The connection is gone. */
  #forget(visitor: Visitor): void {
    if (!this.#visitors.delete(visitor)) return
    this.#handshakes.delete(visitor)
    this.#leaving.delete(visitor)
    this.#count(visitor.host, -1)
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
    const visitor: Visitor = { host, abort: new AbortController(), deviceId: undefined, connection: visit }
    this.#arrive(visitor)
    visit.onEnd(() => this.#forget(visitor))
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
  async #receiveLineVisitor(line: SerialMultiplexer, name: string): Promise<void> {
    const transport = line.join()
    const connection = { destroy: () => transport.abort() }
    const visitor: Visitor = { host: name, abort: new AbortController(), deviceId: undefined, connection }
    try {
      const session = await this.#handshake(transport, visitor)
      await this.#admit(session, visitor, () => line.replaceSession(session))
    } catch (failure) {
      // Nobody has to say HELLO on a line.
      if (visitor.deviceId) this.#turnedAway(name, visitor, failure)
      else this.#endHandshake(visitor)
    }
  }

  /**
   * Makes room for one more connection. At a limit of connections, who leaves anyway gives way first. Otherwise a handshake
   * ends: the oldest, as honest ones take a round trip or two, of the address that has most of them, so that a flood from one
   * address ends nobody else's.
   * @returns the limit for which there is no room
   */
  #makeRoom(host: string): UsmpError | undefined {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = this.#limits
    if ((this.#connections.get(host) ?? 0) >= maxConnectionsPerAddress) {
      return this.#endOne(`${maxConnectionsPerAddress} connections from ${host}`, host)
    }
    if (this.#visitors.size >= maxConnections) return this.#endOne(`${maxConnections} connections`)
    if (this.#handshakes.size >= maxHandshakes) this.#endOldestHandshake(`${maxHandshakes} handshakes at once`)
    return undefined
  }

  /** @returns the limit, if nobody (from `host`) gives way */
  #endOne(limit: string, host?: string): UsmpError | undefined {
    for (const visitor of this.#leaving.keys()) {
      if (host !== undefined && visitor.host !== host) continue
      this.#cutOff(visitor)
      return undefined
    }
    return this.#endOldestHandshake(limit, host)
  }

  #cutOff(visitor: Visitor): void {
    // It counts no longer, though its connection may take a turn to be gone.
    this.#forget(visitor)
    visitor.connection.destroy()
  }

  /** @returns the limit, if no handshake (from `host`) holds a connection */
  #endOldestHandshake(limit: string, host = this.#busiestHost()): UsmpError | undefined {
    for (const visitor of this.#handshakes) {
      if (visitor.host !== host) continue
      this.#handshakes.delete(visitor)
      visitor.abort.abort(new UsmpError('TOO_MANY_CONNECTIONS', `${limit}, and this handshake was the oldest`))
      return undefined
    }
    return new UsmpError('TOO_MANY_CONNECTIONS', limit)
  }

  /** Who has the most handshakes under way; of equals the one with the oldest. A handshake on a line holds no connection. */
  #busiestHost(): string | undefined {
    return busiestOf([...this.#handshakes].filter((visitor) => this.#visitors.has(visitor)).map(({ host }) => host))
  }

  #count(host: string, change: number): void {
    const count = (this.#connections.get(host) ?? 0) + change
    if (count > 0) this.#connections.set(host, count)
    else this.#connections.delete(host)
  }

  async #receiveVisitor(transport: Transport, visitor: Visitor, onAdmitted?: () => void): Promise<void> {
    try {
      const session = await this.#handshake(transport, visitor)
      await this.#admit(session, visitor, onAdmitted)
    } catch (failure) {
      this.#turnedAway(transport.address, visitor, failure)
    }
  }

  #turnedAway(address: string, visitor: Visitor, failure: unknown): void {
    const { host, deviceId } = visitor
    const error = refusalOf(asUsmpError(failure, 'TRANSPORT_FAILED'))
    this.#endHandshake(visitor, error)
    this.#leave(visitor)
    // Only a proof that was wrong counts, and only for the one who claimed the id from this address.
    if (deviceId && isWrongProof(error)) {
      this.#lockout.failed(host, deviceId, nodeClock.now())
      this.#endHandshakesOf(host, deviceId)
    }
    this.#refused(address, deviceId, error)
  }

  /** Each has guesses of its own that nobody has counted yet: the oldest gives way. If it guessed wrong, that counts now. */
  #boundHandshakesOf(host: string, deviceId: string): void {
    const open = [...this.#handshakes].filter((one) => one.host === host && one.deviceId === deviceId)
    if (open.length <= MAX_HANDSHAKES_OF_ONE) return
    this.#handshakes.delete(open[0]!)
    open[0]!.abort.abort(
      new UsmpError('TOO_MANY_CONNECTIONS', `more than ${MAX_HANDSHAKES_OF_ONE} handshakes of one device`),
    )
  }

  /** Handshakes that began before the lockout are no way around it. */
  #endHandshakesOf(host: string, deviceId: string): void {
    const lockedOut = this.#lockedOut(host, deviceId)
    if (!lockedOut) return
    for (const visitor of this.#handshakes) {
      if (visitor.host === host && visitor.deviceId === deviceId) visitor.abort.abort(lockedOut)
    }
  }

  #handshake(transport: Transport, visitor: Visitor): Promise<Session> {
    // Wire version 1 knows no cookies.
    const takesVersion1 = transport.kind !== 'datagram' && this.#options.unsafeWireVersion1
    this.#handshakes.add(visitor)
    return Session.accept(transport, {
      ...this.#sessionOptions,
      ...(takesVersion1 ? { unsafeWireVersion1: wireVersion1 } : {}),
      signal: visitor.abort.signal,
      authorize: (deviceId) => this.#authorizeVisitor(visitor, deviceId),
    })
  }

  /** @param reason why it became no session; a key that is still looked up is not needed then */
  #endHandshake(visitor: Visitor, reason?: UsmpError): void {
    this.#handshakes.delete(visitor)
    if (reason && visitor.abort !== OVER) visitor.abort.abort(reason)
    // The socket keeps its visitor to its end, but what belongs to a handshake need not stay as long.
    visitor.abort = OVER
  }

  async #authorizeVisitor(visitor: Visitor, deviceId: string): Promise<Authorization | null> {
    visitor.deviceId = deviceId
    const lockedOut = this.#lockedOut(visitor.host, deviceId)
    if (lockedOut) {
      visitor.abort.abort(lockedOut)
      return null
    }
    this.#boundHandshakesOf(visitor.host, deviceId)
    const { signal } = visitor.abort
    const answer = await this.#authorize(deviceId, { host: visitor.host, signal })
    if (!this.#options.provider) await prepareSuite(answer?.suite)
    return answer
  }

  #lockedOut(host: string, deviceId: string): UsmpError | undefined {
    const wait = this.#lockout.remaining(host, deviceId, nodeClock.now())
    return wait > 0 ? new UsmpError('LOCKED_OUT', `another ${Math.ceil(wait / 1000)} s`) : undefined
  }

  /**
   * Takes in a session that is proven, as the policy for duplicates says; `onAdmitted` is called if it does.
   * @throws UsmpError why it was turned away
   */
  async #admit(session: Session, visitor: Visitor, onAdmitted?: () => void): Promise<void> {
    const older = this.#sessions.get(session.deviceId)
    const refusal = this.#refusalFor(visitor, older)
    this.#endHandshake(visitor)
    this.#lockout.succeeded(visitor.host, session.deviceId)
    if (refusal) {
      await this.#endSession(session, visitor, refusal)
      throw refusal
    }
    this.#sessions.set(session.deviceId, session)
    this.#open.set(session, visitor)
    void session.closed.then(() => this.#depart(session, visitor))
    if (session.wireVersion === 1) {
      this.#warn(`${session.deviceId} speaks wire version 1: its encryption is broken, upgrade its firmware`)
    }
    this.#queue(session)
    // One that has ended by itself is not replaced, and takes no last word.
    this.dispatchEvent(new SessionEvent('session', session, older?.signal.aborted ? undefined : older))
    onAdmitted?.()
    if (older) void this.#endSession(older, this.#open.get(older), new UsmpError('REPLACED'))
    this.#wake?.()
    this.#wake = undefined
  }

  /** Why a session that is proven is not taken in. Its handshake may have been called off at the last moment. */
  #refusalFor({ abort: { signal } }: Visitor, older: Session | undefined): UsmpError | undefined {
    if (signal.aborted) return signal.reason as UsmpError
    if (this.#closing) return new UsmpError('SHUTDOWN')
    const isDuplicate = older && !older.signal.aborted && this.#options.duplicates === 'reject'
    return isDuplicate ? new UsmpError('DUPLICATE_DEVICE') : undefined
  }

  #endSession(session: Session, visitor: Visitor | undefined, reason: UsmpError): Promise<void> {
    if (visitor) this.#leave(visitor, session.deviceId)
    return session.close(reason)
  }

  /**
   * From here on the connection only ends, and is the first to give way. A device has no more than two such connections.
   * @param deviceId who has proven itself on it
   */
  #leave(visitor: Visitor, deviceId?: string): void {
    if (!this.#visitors.has(visitor)) return
    this.#leaving.set(visitor, deviceId)
    if (deviceId === undefined) return
    const [oldest, ...others] = [...this.#leaving].filter(([, id]) => id === deviceId)
    if (oldest && others.length >= MAX_LEAVING) this.#cutOff(oldest[0])
  }

  /** Nobody may ever ask for it, so what has ended gives way; it is kept as long as possible for what it received. */
  #queue(session: Session): void {
    this.#backlog.push(session)
    if (this.#backlog.length <= this.#limits.maxConnections) return
    const ended = this.#backlog.findIndex(({ signal }) => signal.aborted)
    if (ended >= 0) this.#backlog.splice(ended, 1)
  }

  #depart(session: Session, visitor: Visitor): void {
    this.#open.delete(session)
    if (this.#sessions.get(session.deviceId) === session) this.#sessions.delete(session.deviceId)
    // Its connection may stay a while for the last bytes.
    this.#leave(visitor, session.deviceId)
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

/** Waits for a promise that does not reject, but not longer than `timeout` ms. */
function withTimeout(promise: Promise<unknown>, timeout: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = nodeClock.setTimer(resolve, timeout)
    void promise.then(() => {
      nodeClock.clearTimer(timer)
      resolve()
    })
  })
}

function limitsOf({ maxConnections, maxConnectionsPerAddress, maxHandshakes }: ListenOptions) {
  return { maxConnections, maxConnectionsPerAddress, maxHandshakes }
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
