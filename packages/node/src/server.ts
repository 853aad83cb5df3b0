import { once } from 'node:events'
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AcceptOptions,
  type Authorization,
  asUsmpError,
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
import { nodeClock } from './clock.js'
import { nodeProvider, nodeRandom } from './crypto-node.js'
import { prepareSuite } from './crypto-sodium.js'
import { addressBlock, busiestOf } from './ip-address.js'
import type { ListenOptions } from './listen-options.js'
import { Lockout } from './lockout.js'
import { listenTable } from './options.js'
import { type Authorizer, authorizer } from './psk-source.js'
import { type SerialSource, shareSerial } from './serial.js'
import { RefusedEvent, type ServerEvents, SessionEvent, WarningEvent } from './server-events.js'
import { allowManyListeners } from './signals.js'
import { assertPort, DEFAULT_HOST, DEFAULT_PORT, formatAddress, startListening, tcpTransport } from './tcp.js'
import { UdpListener, type UdpPeer } from './udp-listener.js'
import { type IncomingConnection, WebSocketListener, type WebSocketOptions } from './websocket-listener.js'

/** In place of what could end a handshake that is over. */
const NEVER_ABORTED = new AbortController()
/** Handshakes at once of one device id from one address; an honest device has one or two. */
const MAX_HANDSHAKES_OF_ONE = 5
/** Between two attempts to open a serial line, ms. */
const REOPEN_DELAY = 500
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
  readonly #incoming = new Set<IncomingConnection>()
  /** In order of arrival. */
  readonly #handshakes = new Set<IncomingConnection>()
  /** Whose connection is about to end, with the device that has proven itself on it; who left first comes first. */
  readonly #leaving = new Map<IncomingConnection, string | undefined>()
  readonly #sessions = new Map<string, Session>()
  readonly #open = new Map<Session, IncomingConnection>()
  #backlog: Session[] = []
  #wake: (() => void) | undefined
  #webSocket: WebSocketListener | undefined
  #serial: SerialMultiplexer | undefined
  #serialHold: ReturnType<typeof setInterval> | undefined
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
    this.#net = createServer((socket) => this.#onConnection(socket))
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
    if (websocket) await this.#listenWebSocket(websocket)
    if (serial) {
      // A server keeps its process alive while it listens, also while the port is not there.
      this.#serialHold = setInterval(() => {}, 2 ** 31 - 1)
      void this.#serveSerial(serial)
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

  async #listenWebSocket(options: WebSocketOptions): Promise<void> {
    const handler = {
      onConnection: (socket: Socket) => this.#countConnection(socket),
      onTransport: (transport: Transport, connection: IncomingConnection) => void this.#accept(transport, connection),
      refused: (address: string, error: UsmpError) => this.#refused(address, undefined, error),
    }
    const upgradeTimeout = this.#options.handshakeTimeout ?? UPGRADE_TIMEOUT
    try {
      this.#webSocket = new WebSocketListener(options, handler, { upgradeTimeout, maxIdle: this.#limits.maxHandshakes })
      await this.#webSocket.listen((error) => this.#warn('the listening socket had a fault', error))
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
    if (!this.#webSocket) throw new UsmpError('NOT_CONNECTED', 'the server does not listen for WebSockets')
    return this.#webSocket.url
  }

  async #listenUdp({ host = DEFAULT_HOST, port = DEFAULT_PORT }: NonNullable<ListenOptions['udp']>): Promise<void> {
    try {
      assertPort(port)
      this.#udp = await UdpListener.bind(
        { host, port },
        this.#options.provider ?? nodeProvider,
        (peer) => this.#onUdpPeer(peer),
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
    for (const connection of this.#handshakes) if (connection.deviceId === id) connection.abort.abort(reason)
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
    clearInterval(this.#serialHold)
    const unbound = Promise.allSettled([
      this.#net.listening ? once(this.#net.close(), 'close') : undefined,
      this.#webSocket?.close(),
    ])
    const reason = new UsmpError('SHUTDOWN')
    for (const connection of this.#handshakes) connection.abort.abort(reason)
    const sessions = [...this.#open].map(([session, connection]) => this.#endSession(session, connection, reason))
    const serial = Promise.all(sessions).then(() => this.#serial?.close())
    await withTimeout(Promise.allSettled([unbound, serial]), CLOSE_TIMEOUT)
    for (const connection of this.#incoming) connection.connection.destroy()
    await unbound
    await this.#udp?.close()
    this.#wake?.()
  }

  #onConnection(socket: Socket): void {
    const connection = this.#countConnection(socket)
    if (connection) void this.#accept(tcpTransport(socket), connection)
  }

  /** Counts a connection from here to its end, as an idle handshake; undefined if there is no room for it. */
  #countConnection(socket: Socket): IncomingConnection | undefined {
    const host = addressBlock(socket.remoteAddress ?? 'unknown')
    const refusal = this.#closing ? new UsmpError('SHUTDOWN') : this.#makeRoom(host)
    if (refusal) {
      this.#refused(formatAddress(socket.remoteAddress, socket.remotePort), undefined, refusal)
      socket.destroy()
      return undefined
    }
    const connection: IncomingConnection = {
      host,
      abort: new AbortController(),
      deviceId: undefined,
      connection: socket,
    }
    this.#handshakes.add(connection)
    this.#addConnection(connection)
    // Not `once`, which keeps more: it comes once all the same.
    socket.on('close', () => this.#removeConnection(connection))
    return connection
  }

  #addConnection(connection: IncomingConnection): void {
    this.#incoming.add(connection)
    this.#count(connection.host, 1)
  }

  /** The connection is gone. */
  #removeConnection(connection: IncomingConnection): void {
    if (!this.#incoming.delete(connection)) return
    this.#handshakes.delete(connection)
    this.#leaving.delete(connection)
    this.#count(connection.host, -1)
  }

  #onUdpPeer(peer: UdpPeer): void {
    const { transport, host, deviceId } = peer
    // On datagrams a refusal is silent: not even an acknowledgement (specification, section 3.12).
    const refusal = this.#closing
      ? new UsmpError('SHUTDOWN')
      : (this.#lockedOut(host, deviceId) ?? this.#makeRoom(host))
    if (refusal) {
      transport.abort()
      this.#refused(transport.address, deviceId, refusal)
      return
    }
    const connection: IncomingConnection = { host, abort: new AbortController(), deviceId: undefined, connection: peer }
    this.#addConnection(connection)
    peer.onEnd(() => this.#removeConnection(connection))
    void this.#accept(transport, connection, () => peer.takeOver())
  }

  /** Serves a line until the server closes; on a line one session follows the other, each proven before it replaces. */
  async #serveSerial(source: SerialSource): Promise<void> {
    while (!this.#closing) {
      try {
        this.#serial = shareSerial(await source.open(), source.name)
      } catch (error) {
        this.#warn(`the serial line ${source.name} cannot be opened; trying again`, error)
        await sleep(REOPEN_DELAY, undefined, { ref: false })
        continue
      }
      if (this.#closing) await this.#serial.close()
      while (this.#serial.open) await this.#acceptOnSerial(this.#serial, source.name)
      // A line that ends at once every time must not keep the processor busy.
      await sleep(REOPEN_DELAY, undefined, { ref: false })
    }
  }

  /** Waits for the next HELLO on a line and performs its handshake, beside the session that the line may have. */
  async #acceptOnSerial(serial: SerialMultiplexer, name: string): Promise<void> {
    const transport = serial.join()
    const connection: IncomingConnection = {
      host: name,
      abort: new AbortController(),
      deviceId: undefined,
      connection: { destroy: () => transport.abort() },
    }
    try {
      const session = await this.#handshake(transport, connection)
      await this.#acceptSession(session, connection, () => serial.replaceSession(session))
    } catch (failure) {
      // Nobody has to say HELLO on a serial line.
      if (connection.deviceId) this.#onHandshakeFailed(name, connection, failure)
      else this.#endHandshake(connection)
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
    if (this.#incoming.size >= maxConnections) return this.#endOne(`${maxConnections} connections`)
    if (this.#handshakes.size >= maxHandshakes) this.#endOldestHandshake(`${maxHandshakes} handshakes at once`)
    return undefined
  }

  /** @returns the limit, if nobody (from `host`) gives way */
  #endOne(limit: string, host?: string): UsmpError | undefined {
    for (const connection of this.#leaving.keys()) {
      if (host !== undefined && connection.host !== host) continue
      this.#cutOff(connection)
      return undefined
    }
    return this.#endOldestHandshake(limit, host)
  }

  #cutOff(connection: IncomingConnection): void {
    // It counts no longer, though its connection may take a turn to be gone.
    this.#removeConnection(connection)
    connection.connection.destroy()
  }

  /** @returns the limit, if no handshake (from `host`) holds a connection */
  #endOldestHandshake(limit: string, host = this.#busiestHost()): UsmpError | undefined {
    for (const connection of this.#handshakes) {
      if (connection.host !== host) continue
      this.#handshakes.delete(connection)
      connection.abort.abort(new UsmpError('TOO_MANY_CONNECTIONS', `${limit}, and this handshake was the oldest`))
      return undefined
    }
    return new UsmpError('TOO_MANY_CONNECTIONS', limit)
  }

  /** Who has the most handshakes under way; of equals the one with the oldest. A handshake on a line holds no connection. */
  #busiestHost(): string | undefined {
    return busiestOf(
      [...this.#handshakes].filter((connection) => this.#incoming.has(connection)).map(({ host }) => host),
    )
  }

  #count(host: string, change: number): void {
    const count = (this.#connections.get(host) ?? 0) + change
    if (count > 0) this.#connections.set(host, count)
    else this.#connections.delete(host)
  }

  async #accept(transport: Transport, connection: IncomingConnection, onSession?: () => void): Promise<void> {
    try {
      const session = await this.#handshake(transport, connection)
      await this.#acceptSession(session, connection, onSession)
    } catch (failure) {
      this.#onHandshakeFailed(transport.address, connection, failure)
    }
  }

  #onHandshakeFailed(address: string, connection: IncomingConnection, failure: unknown): void {
    const { host, deviceId } = connection
    const error = refusalOf(asUsmpError(failure, 'TRANSPORT_FAILED'))
    this.#endHandshake(connection, error)
    this.#leave(connection)
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
    for (const connection of this.#handshakes) {
      if (connection.host === host && connection.deviceId === deviceId) connection.abort.abort(lockedOut)
    }
  }

  #handshake(transport: Transport, connection: IncomingConnection): Promise<Session> {
    // Wire version 1 knows no cookies.
    const unsafeWireVersion1 = transport.kind !== 'datagram' && this.#options.unsafeWireVersion1 === true
    this.#handshakes.add(connection)
    return Session.accept(transport, {
      ...this.#sessionOptions,
      unsafeWireVersion1,
      signal: connection.abort.signal,
      authorize: (deviceId) => this.#authorizeConnection(connection, deviceId),
    })
  }

  /** @param reason why it became no session; a key that is still looked up is not needed then */
  #endHandshake(connection: IncomingConnection, reason?: UsmpError): void {
    this.#handshakes.delete(connection)
    if (reason && connection.abort !== NEVER_ABORTED) connection.abort.abort(reason)
    // The socket keeps its connection to its end, but what belongs to a handshake need not stay as long.
    connection.abort = NEVER_ABORTED
  }

  async #authorizeConnection(connection: IncomingConnection, deviceId: string): Promise<Authorization | null> {
    connection.deviceId = deviceId
    const lockedOut = this.#lockedOut(connection.host, deviceId)
    if (lockedOut) {
      connection.abort.abort(lockedOut)
      return null
    }
    this.#boundHandshakesOf(connection.host, deviceId)
    const { signal } = connection.abort
    const answer = await this.#authorize(deviceId, { host: connection.host, signal })
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
  async #acceptSession(session: Session, connection: IncomingConnection, onSession?: () => void): Promise<void> {
    const older = this.#sessions.get(session.deviceId)
    const refusal = this.#refusalFor(connection, older)
    this.#endHandshake(connection)
    this.#lockout.succeeded(connection.host, session.deviceId)
    if (refusal) {
      await this.#endSession(session, connection, refusal)
      throw refusal
    }
    this.#sessions.set(session.deviceId, session)
    this.#open.set(session, connection)
    void session.closed.then(() => this.#onSessionEnded(session, connection))
    if (session.wireVersion === 1) {
      this.#warn(`${session.deviceId} speaks wire version 1: its encryption is broken, upgrade its firmware`)
    }
    this.#queue(session)
    // One that has ended by itself is not replaced, and takes no last word.
    this.dispatchEvent(new SessionEvent('session', session, older?.signal.aborted ? undefined : older))
    onSession?.()
    if (older) void this.#endSession(older, this.#open.get(older), new UsmpError('REPLACED'))
    this.#wake?.()
    this.#wake = undefined
  }

  /** Why a session that is proven is not taken in. Its handshake may have been called off at the last moment. */
  #refusalFor({ abort: { signal } }: IncomingConnection, older: Session | undefined): UsmpError | undefined {
    if (signal.aborted) return signal.reason as UsmpError
    if (this.#closing) return new UsmpError('SHUTDOWN')
    const isDuplicate = older && !older.signal.aborted && this.#options.duplicates === 'reject'
    return isDuplicate ? new UsmpError('DUPLICATE_DEVICE') : undefined
  }

  #endSession(session: Session, connection: IncomingConnection | undefined, reason: UsmpError): Promise<void> {
    if (connection) this.#leave(connection, session.deviceId)
    return session.close(reason)
  }

  /**
   * From here on the connection only ends, and is the first to give way. A device has no more than two such connections.
   * @param deviceId who has proven itself on it
   */
  #leave(connection: IncomingConnection, deviceId?: string): void {
    if (!this.#incoming.has(connection)) return
    this.#leaving.set(connection, deviceId)
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

  #onSessionEnded(session: Session, connection: IncomingConnection): void {
    this.#open.delete(session)
    if (this.#sessions.get(session.deviceId) === session) this.#sessions.delete(session.deviceId)
    // Its connection may stay a while for the last bytes.
    this.#leave(connection, session.deviceId)
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
