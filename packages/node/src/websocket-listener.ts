import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Transport, UsmpError } from '@usmp/core'
import { WebSocketServer } from 'ws'
import { IdleConnections } from './idle-connections.js'
import { DEFAULT_HOST, formatAddress, startListening } from './tcp.js'
import { webSocketOptions, webSocketTransport } from './websocket.js'

/** How often a server looks for connections that are slow to ask for anything, ms. */
const CHECK_INTERVAL = 1_000

interface CommonServerOptions {
  /** Where it is on the HTTP server; default `/`. */
  readonly path?: string
  /**
   * Which web pages may connect, as browsers name their origin: `https://app.example`. Default: none. Programs that are
   * no browsers name no origin, and may always.
   */
  readonly origins?: readonly string[]
}

export interface OwnServerOptions extends CommonServerOptions {
  readonly server?: undefined
  /** Default 127.0.0.1, which only this machine reaches; `0.0.0.0` or `::` for all interfaces. */
  readonly host?: string
  /** 0 takes a free one, see {@link Server.websocketUrl}. */
  readonly port: number
  /** Serves `wss`; both in PEM. */
  readonly tls?: { readonly key: string | Uint8Array; readonly cert: string | Uint8Array }
}

export interface AttachedServerOptions extends CommonServerOptions {
  /**
   * An HTTP or HTTPS server of the application, which listens and closes itself. Of its connections that ask for nothing,
   * silent or kept open, at most `maxHandshakes` stay: beyond that the oldest of the address with most of them ends. Set no
   * `maxConnections` of its own on it, or a much larger one: Node then turns newcomers away before anything can give way.
   */
  readonly server: HttpServer
}

export type WebSocketOptions = OwnServerOptions | AttachedServerOptions

/** A connection from its first byte to its last. */
export interface IncomingConnection {
  readonly host: string
  /** Ends its handshake; afterwards it does nothing. */
  abort: AbortController
  deviceId: string | undefined
  /** What ends at once, whatever is still to be sent. */
  readonly connection: { destroy(): void }
}

/** How the server takes in those who come by a WebSocket. */
export interface ConnectionHandler {
  /** Counts a connection and makes room for it; undefined if there was none, and then it is gone. */
  onConnection(socket: Socket): IncomingConnection | undefined
  onTransport(transport: Transport, connection: IncomingConnection): void
  refused(address: string, error: UsmpError): void
}

/** What a {@link WebSocketListener} keeps to. */
export interface WebSocketLimits {
  /** ms until a connection has to have asked for a WebSocket, on a port of our own. */
  readonly upgradeTimeout: number
  /** Connections of an HTTP server of the application that ask for nothing. */
  readonly maxIdle: number
}

/** Our listeners on one HTTP server, by their path. */
const listenersOf = new WeakMap<HttpServer, Map<string, WebSocketListener>>()

/** Where WebSockets come in. */
export class WebSocketListener {
  readonly #options: WebSocketOptions
  readonly #handler: ConnectionHandler
  readonly #http: HttpServer
  readonly #webSockets = new WebSocketServer({ ...webSocketOptions, noServer: true, clientTracking: false })
  /** Connections of our own server that have not asked for a WebSocket yet, by their address. */
  readonly #beforeUpgrade = new Map<string, IncomingConnection>()
  /** Connections of the application's server that have not asked for a WebSocket. */
  readonly #idle: IdleConnections | undefined
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    this.#upgrade(request, socket as Socket, head)

  /** @throws UsmpError INVALID_ARGUMENT if the HTTP server has a listener with this path already */
  constructor(options: WebSocketOptions, handler: ConnectionHandler, { upgradeTimeout, maxIdle }: WebSocketLimits) {
    this.#options = options
    this.#handler = handler
    this.#http = options.server ?? createOwnServer(options, upgradeTimeout)
    this.#register()
    if (options.server) {
      this.#idle = new IdleConnections(options.server, maxIdle, (address) =>
        handler.refused(address, new UsmpError('TOO_MANY_CONNECTIONS', `${maxIdle} connections that ask for nothing`)),
      )
    } else this.#http.on('connection', (socket: Socket) => this.#onConnection(socket))
    this.#http.on('upgrade', this.#onUpgrade)
  }

  /** @throws UsmpError INVALID_ARGUMENT; TRANSPORT_FAILED if the port cannot be had */
  async listen(onFault: (error: Error) => void): Promise<void> {
    if (this.#options.server) return
    await startListening(this.#http, this.#options.host ?? DEFAULT_HOST, this.#options.port)
    this.#http.on('error', onFault)
  }

  /** @throws UsmpError NOT_CONNECTED if the HTTP server does not listen */
  get url(): string {
    const address = this.#http.address() as AddressInfo | null
    if (!address) throw new UsmpError('NOT_CONNECTED', 'the server does not listen for WebSockets')
    const scheme = 'setSecureContext' in this.#http ? 'wss' : 'ws'
    return `${scheme}://${formatAddress(address.address, address.port)}${this.#path}`
  }

  /** Takes no more connections; resolves when those of our own server are all gone. */
  async close(): Promise<void> {
    this.#http.off('upgrade', this.#onUpgrade)
    this.#idle?.stop()
    const listeners = listenersOf.get(this.#http)
    if (listeners?.get(this.#path) === this) listeners.delete(this.#path)
    if (!this.#options.server && this.#http.listening) await once(this.#http.close(), 'close')
  }

  get #path(): string {
    return this.#options.path ?? '/'
  }

  #register(): void {
    const listeners = listenersOf.get(this.#http) ?? new Map<string, WebSocketListener>()
    if (listeners.has(this.#path)) {
      throw new UsmpError(
        'INVALID_ARGUMENT',
        `another server takes the WebSockets of ${this.#path} on this HTTP server`,
      )
    }
    listenersOf.set(this.#http, listeners.set(this.#path, this))
  }

  /** Whether nobody else on this HTTP server can answer: all that listen are of ours, and this is the first of them. */
  #isLastResort(path: string): boolean {
    const listeners = listenersOf.get(this.#http)!
    const [first] = listeners.values()
    return first === this && !listeners.has(path) && this.#http.listenerCount('upgrade') === listeners.size
  }

  /** Before it asks for anything a connection is an idle handshake, and gives way like one. */
  #onConnection(socket: Socket): void {
    const connection = this.#handler.onConnection(socket)
    if (!connection) return
    const address = formatAddress(socket.remoteAddress, socket.remotePort)
    this.#beforeUpgrade.set(address, connection)
    socket.once('close', () => this.#beforeUpgrade.delete(address))
    connection.abort.signal.addEventListener('abort', () => {
      if (!this.#beforeUpgrade.delete(address)) return
      this.#handler.refused(address, connection.abort.signal.reason as UsmpError)
      socket.destroy()
    })
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const path = request.url?.split('?', 1)[0] ?? ''
    const address = formatAddress(socket.remoteAddress, socket.remotePort)
    this.#idle?.forget(address)
    if (path !== this.#path) {
      if (this.#isLastResort(path)) answerAndClose(socket, '404 Not Found')
      return
    }
    const { origin } = request.headers
    if (origin !== undefined && !this.#options.origins?.includes(origin)) {
      answerAndClose(socket, '403 Forbidden')
      this.#handler.refused(address, new UsmpError('ORIGIN_REFUSED', origin))
      return
    }
    const connection = this.#beforeUpgrade.get(address) ?? this.#handler.onConnection(socket)
    this.#beforeUpgrade.delete(address)
    if (!connection) return
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#handler.onTransport(webSocketTransport(webSocket, socket), connection),
    )
  }
}

function createOwnServer({ tls }: OwnServerOptions, timeout: number): HttpServer {
  const limits = { connectionsCheckingInterval: CHECK_INTERVAL, headersTimeout: timeout, requestTimeout: timeout }
  const server = tls ? createTlsServer(tls, { ...limits, handshakeTimeout: timeout }) : createHttpServer(limits)
  return server.on('request', (_, response) =>
    response.writeHead(426, { Connection: 'close', Upgrade: 'websocket' }).end('This is a WebSocket of USMP.\n'),
  )
}

/** @throws UsmpError INVALID_ARGUMENT if key or certificate cannot be used */
function createTlsServer({ key, cert }: NonNullable<OwnServerOptions['tls']>, limits: object): HttpServer {
  try {
    return createHttpsServer({ ...limits, key: Buffer.from(key), cert: Buffer.from(cert) })
  } catch (cause) {
    throw new UsmpError('INVALID_ARGUMENT', `TLS cannot use this key and certificate: ${(cause as Error).message}`, {
      cause,
      hint: 'Both are PEM, the key without a passphrase and the one of this certificate.',
    })
  }
}

function answerAndClose(socket: Socket, status: string): void {
  socket.on('error', () => {})
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
