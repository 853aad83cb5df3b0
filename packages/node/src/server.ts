import { type ErrorCode, formatDeviceId, parseDeviceId, type Session, type Transport, UsmpError } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { checkOptions } from '@usmp/core/options'
import { Admission } from './admission.js'
import { nodeClock } from './clock.js'
import { nodeProvider, nodeRandom } from './crypto-node.js'
import type { ListenOptions } from './listen-options.js'
import type { AcceptOptions, Listener } from './listener.js'
import { acceptTable, listenTable } from './options.js'
import { authorizer } from './psk-source.js'
import { SerialListener } from './serial-listener.js'
import type { ServerEvents } from './server-events.js'
import { SessionAcceptor } from './session-acceptor.js'
import { SessionRegistry } from './session-registry.js'
import { allowManyListeners } from './signals.js'
import { TcpListener } from './tcp-listener.js'
import { abortQuietly } from './tracked-transport.js'
import { UdpListener } from './udp-listener.js'
import { WebSocketListener } from './websocket-listener.js'

/** Until a connection to the WebSocket port has to have asked for a WebSocket, ms; as long as for a handshake. */
const UPGRADE_TIMEOUT = 10_000
/** Until a server that closes cuts off every connection that is still there, ms. */
const CLOSE_TIMEOUT = 3_000
/** Until listeners whose connections were cut off have to be closed, ms. */
const ABORT_GRACE = 100
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
 *
 * It puts together parts that have one task each, and knows no socket: a {@link Listener} for each place brings connections, the
 * {@link SessionAcceptor} makes sessions of them, by what {@link Admission} and {@link SessionRegistry} say. The server owns
 * their life: it makes them, starts the listeners, and in `close` ends the listeners, handshakes and sessions, in this order. What
 * must not happen: that `close` waits for a peer, or that anything of a server stays behind it.
 */
export class Server extends EventTarget implements AsyncIterable<Session> {
  readonly #options: ListenOptions
  readonly #registry: SessionRegistry
  readonly #acceptor: SessionAcceptor
  readonly #tcp: TcpListener | undefined
  readonly #udp: UdpListener | undefined
  readonly #webSocket: WebSocketListener | undefined
  readonly #listeners: readonly Listener[]
  #closing: Promise<void> | undefined
  readonly #onAbort = () => void this.close()

  private constructor(options: ListenOptions = {}) {
    super()
    // Now, and not when the first device comes.
    checkOptions('listen', options?.tcp === false ? { ...options, tcp: undefined } : options, listenTable)
    this.#options = options
    const limits = { ...DEFAULT_LIMITS, ...defined(limitsOf(options)) }
    const { provider = nodeProvider, unsafeWireVersion1 = false, duplicates = 'replace', clock = nodeClock } = options
    const { handshakeTimeout, idleTimeout, keepalive, extensions, datagram } = options
    this.#registry = new SessionRegistry(duplicates, limits.maxConnections)
    this.#acceptor = new SessionAcceptor({
      admission: new Admission(limits, () => clock.now()),
      registry: this.#registry,
      authorize: authorizer(options, limits.maxHandshakes),
      session: {
        reliableDatagram: ReliableDatagram,
        provider,
        random: nodeRandom,
        clock,
        ...defined({ handshakeTimeout, idleTimeout, keepalive, extensions, datagram }),
      },
      unsafeWireVersion1,
      onUnproven: options.onUnproven,
      dispatch: (event) => void this.dispatchEvent(event),
    })
    const { tcp, udp, websocket, serial } = options
    const upgradeLimits = { upgradeTimeout: handshakeTimeout ?? UPGRADE_TIMEOUT, maxIdle: limits.maxHandshakes }
    const isTcpDefault = tcp === undefined && !udp && !websocket && !serial
    this.#tcp = tcp || isTcpDefault ? new TcpListener(tcp || {}) : undefined
    this.#udp = udp && new UdpListener(udp, provider)
    this.#webSocket = websocket && new WebSocketListener(websocket, upgradeLimits)
    const listeners = [this.#tcp, this.#udp, this.#webSocket, serial && new SerialListener(serial)]
    this.#listeners = listeners.filter((listener) => listener !== undefined)
  }

  /** What {@link listen} does. */
  static async listen(options: ListenOptions): Promise<Server> {
    const server = new Server(options)
    await server.#start()
    return server
  }

  async #start(): Promise<void> {
    const { signal, sharedPsk } = this.#options
    if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    try {
      for (const listener of this.#listeners) await listener.start(this.#acceptor)
      if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    } catch (error) {
      await this.close()
      throw error
    }
    allowManyListeners(signal)
    signal?.addEventListener('abort', this.#onAbort)
    if (sharedPsk) {
      process.emitWarning('one key for all devices lets any of them pose as the server to the others', {
        code: 'USMP_SHARED_PSK',
      })
    }
  }

  // ─── what the application sees ───

  /**
   * The TCP port that was taken.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on TCP
   */
  get port(): number {
    return listening(this.#tcp, 'on TCP').port
  }

  /**
   * `host:port` of the listening socket.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on TCP
   */
  get address(): string {
    return listening(this.#tcp, 'on TCP').address
  }

  /**
   * The UDP port that was taken.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on UDP
   */
  get udpPort(): number {
    return listening(this.#udp, 'on UDP').port
  }

  /**
   * `host:port` of the UDP socket.
   * @throws UsmpError NOT_CONNECTED if the server does not listen on UDP
   */
  get udpAddress(): string {
    return listening(this.#udp, 'on UDP').address
  }

  /**
   * Where WebSockets come in, as `ws://host:port/path`.
   * @throws UsmpError NOT_CONNECTED if the server does not listen for WebSockets
   */
  get websocketUrl(): string {
    return listening(this.#webSocket, 'for WebSockets').address
  }

  /** UDP datagrams of no handshake or session that were dropped (noise, forgeries), by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#udp?.dropped ?? new Map()
  }

  /** The established sessions. */
  get sessions(): readonly Session[] {
    return this.#registry.sessions
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
  [Symbol.asyncIterator](): AsyncGenerator<Session, void, undefined> {
    return this.#registry[Symbol.asyncIterator]()
  }

  /**
   * Performs the handshake on a transport that the application brings, of any kind: the limits, the lockout, the policy for
   * duplicates, events and `sessions` are those of every other connection. The server owns the transport from here on, opens it
   * before the call returns, and closes or aborts it in the end; it counts as a connection until that is done.
   * @returns the session, which the events and the iteration give out too; undefined if the connection was refused, and then the
   * event `refused` tells why. It need not be awaited: no peer can make it reject.
   * @throws UsmpError INVALID_ARGUMENT
   */
  async accept(transport: Transport, options: AcceptOptions = {}): Promise<Session | undefined> {
    let checked: AcceptOptions
    try {
      checked = checkAccept(options)
    } catch (error) {
      void abortQuietly(transport)
      throw error
    }
    return this.#acceptor.accept(transport, checked)
  }

  /**
   * Ends the session of a device with a BYE, and every handshake that claims its id. To withdraw a key for good, first make the
   * `psk` function answer null for the device, or it comes back. Resolves when the session has ended; at once if there is none.
   * @throws UsmpError INVALID_ARGUMENT if it is no device id
   */
  async disconnect(deviceId: string): Promise<void> {
    await this.#acceptor.disconnect(formatDeviceId(parseDeviceId(deviceId)))
  }

  /**
   * Lets a device try at once that is locked out for wrong proofs, from any address: call it when its key has just become known, for until
   * then all its proofs were wrong.
   * @throws UsmpError INVALID_ARGUMENT if it is no device id
   */
  unlock(deviceId: string): void {
    this.#acceptor.unlock(formatDeviceId(parseDeviceId(deviceId)))
  }

  /**
   * Stops listening, ends handshakes, says BYE to every session; resolves when all is closed. A connection that is still there
   * after 3 s is cut off, so this never takes longer, and it never rejects.
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
    const closed = Promise.allSettled(this.#listeners.map((listener) => listener.close()))
    await withTimeout(Promise.all([closed, this.#acceptor.close()]), CLOSE_TIMEOUT)
    this.#acceptor.destroyAll()
    await withTimeout(closed, ABORT_GRACE)
    this.#registry.close()
  }
}

/**
 * The options of `accept`, with the device id as it is written here.
 * @throws UsmpError INVALID_ARGUMENT
 */
function checkAccept(options: AcceptOptions): AcceptOptions {
  checkOptions('accept', options, acceptTable)
  const { deviceId } = options
  return deviceId === undefined ? options : { ...options, deviceId: formatDeviceId(parseDeviceId(deviceId)) }
}

/** @throws UsmpError NOT_CONNECTED */
function listening<L extends Listener>(listener: L | undefined, where: string): L {
  if (!listener) throw new UsmpError('NOT_CONNECTED', `the server does not listen ${where}`)
  return listener
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

/** The entries that have a value. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
