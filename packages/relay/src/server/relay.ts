import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { CloseCode, MAX_RELAYED, SUBPROTOCOL } from '../wire.js'
import { type RelayClock, systemClock } from './clock.js'
import { Connections } from './connections.js'
import {
  addressOf,
  createPageServer,
  httpOptions,
  offersSubprotocol,
  PATH,
  type Pages,
  pathOf,
  plainText,
  refuseUpgrade,
  servePages,
} from './front.js'
import { addressBlock } from './ip-address.js'
import { completeLimits, type RelayLimits } from './limits.js'
import { checkOptions, checkPort, DEFAULT_HOST, DEFAULT_PORT, type RelayOptions } from './options.js'
import { PeerSockets } from './peer-sockets.js'
import { RelayError } from './relay-error.js'
import { type CloseReason, DRAIN_TIMEOUT } from './relay-socket.js'
import { ClientPins, createTlsServer } from './tls.js'

/** How often deadlines are looked at, ms. */
const CHECK_INTERVAL = 500
/** A timer that is so late, ms, tells that the process was held up. */
const STALL = 1_000
/** Connections of an address besides those that its limits allow: before JOIN, and while they close. */
const SPARE_PER_ADDRESS = 64
/** An address may open so many connections for each WebSocket: pages are read too, and some attempts fail. */
const CONNECTIONS_A_JOIN = 4
/** The same as {@link SPARE_PER_ADDRESS}, of all addresses. */
const SPARE = 2_000
/** Longer messages are not even read; shorter ones that are too long get a close with words. */
const MAX_PAYLOAD = 2 * MAX_RELAYED
const MAX_FRAGMENTS = 8
/** How long peers may take to answer when the relay stops, ms. */
const STOP_TIMEOUT = 1_000

const STOPS: CloseReason = { code: CloseCode.RESTART, text: 'the relay stops; dial again' }

const webSocketOptions = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MAX_PAYLOAD,
  maxFragments: MAX_FRAGMENTS,
  skipUTF8Validation: true,
  // A socket that is being closed is cut by `RelaySocket.check`, which sees whether it still takes what was sent.
  closeTimeout: 2 * DRAIN_TIMEOUT,
  handleProtocols: () => SUBPROTOCOL,
}

/** A relay that runs. */
export interface Relay {
  /** Where peers dial: `ws://host:port/relay` or `wss://…`. */
  readonly url: URL
  /** Where `GET /metrics` is, if it has a listener of its own. */
  readonly metricsUrl: URL | undefined
  readonly limits: RelayLimits
  /** Counts in the text format of Prometheus; no routes and no addresses. */
  metrics(): string
  /** Closes every WebSocket with 1012, and ends when all are closed, after a second at most. */
  close(): Promise<void>
}

/**
 * Starts a relay (specification, section 12.1). It keeps nothing but open sockets, in memory; it never opens a connection itself; and
 * it takes what peers send on a circuit as bytes.
 * @throws RelayError INVALID_ARGUMENT; TRANSPORT_FAILED if the port cannot be had
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  checkOptions(options)
  const server = new RelayServer(options)
  try {
    await server.listen()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

/** HTTP, and behind it the sockets of the peers. */
class RelayServer implements Relay {
  readonly limits: RelayLimits
  readonly #options: RelayOptions
  readonly #clock: RelayClock
  readonly #peers: PeerSockets
  readonly #http: Server
  readonly #connections: Connections
  readonly #metricsServer: Server | undefined
  readonly #pins: ClientPins | undefined
  readonly #webSockets = new WebSocketServer(webSocketOptions)
  #timer: unknown
  #closed: Promise<void> | undefined

  constructor(options: RelayOptions) {
    const { clock = systemClock, tokenKey, date = () => new Date(), tls, metrics } = options
    this.#options = options
    this.#clock = clock
    this.limits = completeLimits(options.limits)
    this.#peers = new PeerSockets({ limits: this.limits, clock, tokenKey, date })
    this.#pins = tls?.clientPins && new ClientPins(tls.clientPins)
    this.#http = tls ? createTlsServer(tls, httpOptions) : createServer(httpOptions)
    const perSecond = CONNECTIONS_A_JOIN * this.limits.joinsPerSecond
    const connectionLimits = options.trustProxy ? undefined : { perAddress: this.#maxPerAddress, perSecond }
    this.#connections = new Connections(this.#http, clock, connectionLimits)
    this.#http.maxConnections = 2 * this.limits.circuits + this.limits.waiting + SPARE
    servePages(this.#http, { ...this.#pages(), ...(metrics === true ? this.#metricsPage() : {}) })
    this.#http.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    this.#metricsServer = typeof metrics === 'object' ? createPageServer(this.#metricsPage()) : undefined
  }

  async listen(): Promise<void> {
    const { host = DEFAULT_HOST, port = DEFAULT_PORT, metrics } = this.#options
    await listen(this.#http, host, port)
    this.#http.on('error', () => this.#peers.metrics.acceptFailures++)
    if (typeof metrics === 'object') await listen(this.#metricsServer!, metrics.host ?? DEFAULT_HOST, metrics.port)
    this.#metricsServer?.on('error', () => {})
    this.#scheduleCheck()
  }

  get url(): URL {
    return urlOf(this.#http, this.#options.tls ? 'wss' : 'ws', PATH)
  }

  get metricsUrl(): URL | undefined {
    return this.#metricsServer && urlOf(this.#metricsServer, 'http', '/metrics')
  }

  metrics(): string {
    return this.#peers.metrics.render(this.#peers.buffered)
  }

  close(): Promise<void> {
    this.#closed ??= this.#stop()
    return this.#closed
  }

  async #stop(): Promise<void> {
    const stopped = Promise.all([stopListening(this.#http), this.#metricsServer && stopListening(this.#metricsServer)])
    this.#peers.stop(STOPS)
    this.#http.closeIdleConnections()
    // Real time: who waits for the end of the relay waits in it.
    const cut = setTimeout(() => this.#connections.destroy(), STOP_TIMEOUT)
    await stopped
    clearTimeout(cut)
    this.#clock.clearTimer(this.#timer)
    this.#peers.wipe()
  }

  // ─── requests ───

  #pages(): Pages {
    const { tokenKey } = this.#options
    const limits = () =>
      `${JSON.stringify({ subprotocol: SUBPROTOCOL, token: tokenKey ? 'needed' : 'none', maxMessage: MAX_RELAYED, limits: this.limits })}\n`
    return {
      '/limits': { type: 'application/json', isForPages: true, render: limits },
      '/healthz': plainText(() => 'ok\n'),
    }
  }

  #metricsPage(): Pages {
    return { '/metrics': { type: 'text/plain; version=0.0.4; charset=utf-8', render: () => this.metrics() } }
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = stream as Socket
    if (pathOf(request) !== PATH) return refuseUpgrade(socket, '404 Not Found', 'There is nothing here.')
    if (!offersSubprotocol(request)) {
      return refuseUpgrade(socket, '400 Bad Request', `The subprotocol ${SUBPROTOCOL} is needed.`)
    }
    if (this.#pins && !this.#pins.accepts(socket)) {
      return refuseUpgrade(socket, '403 Forbidden', 'This client certificate is not among those that are pinned.')
    }
    const block = addressBlock(addressOf(request, this.#options.trustProxy ?? false))
    if (this.#peers.addresses.socketsOf(block) >= this.#maxPerAddress) {
      return refuseUpgrade(socket, '503 Service Unavailable', 'Too many connections of this address.')
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#peers.add(webSocket, socket, block))
  }

  get #maxPerAddress(): number {
    return this.limits.waitingPerAddress + this.limits.circuitsPerAddress + SPARE_PER_ADDRESS
  }

  #scheduleCheck(): void {
    const due = this.#clock.now() + CHECK_INTERVAL
    this.#timer = this.#clock.setTimer(() => {
      // After a stall of the process, what has come in time is there and has not been read yet.
      if (this.#clock.now() > due + STALL) setImmediate(() => this.#peers.check())
      else this.#peers.check()
      this.#scheduleCheck()
    }, CHECK_INTERVAL)
  }
}

/** @throws RelayError TRANSPORT_FAILED */
async function listen(server: Server, host: string, port: number): Promise<void> {
  checkPort(port)
  server.listen({ host, port })
  try {
    await once(server, 'listening')
  } catch (cause) {
    const text = `cannot listen on ${host}, port ${port}: ${(cause as Error).message}`
    throw new RelayError('TRANSPORT_FAILED', text, 'Is the port free, and may this program have it?', cause)
  }
}

async function stopListening(server: Server): Promise<void> {
  if (server.listening) await once(server.close(), 'close')
}

function urlOf(server: Server, scheme: string, path: string): URL {
  const { address, port } = server.address() as AddressInfo
  return new URL(`${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}${path}`)
}
