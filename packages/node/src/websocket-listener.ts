import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { UsmpError } from '@usmp/core'
import { WebSocketServer } from 'ws'
import { IdleConnections } from './idle-connections.js'
import type { IncomingConnection } from './incoming-connection.js'
import { addressBlock } from './ip-address.js'
import type { OwnServerOptions, WebSocketOptions } from './listen-options.js'
import type { ConnectionHandler, Listener } from './listener.js'
import { DEFAULT_HOST, formatAddress, startListening } from './tcp.js'
import { webSocketOptions, webSocketTransport } from './websocket.js'

/** How often a server looks for connections that are slow to ask for anything, ms. */
const CHECK_INTERVAL = 1_000

/** What a {@link WebSocketListener} keeps to. */
export interface WebSocketLimits {
  /** ms until a connection has to have asked for a WebSocket, on a port of our own. */
  readonly upgradeTimeout: number
  /** Connections of an HTTP server of the application that ask for nothing. */
  readonly maxIdle: number
}

/** Our listeners on one HTTP server, by their path. */
const listenersOf = new WeakMap<HttpServer, Map<string, WebSocketListener>>()

/**
 * Where WebSockets come in: a port of its own, or a path on an HTTP server of the application. On its own port a connection
 * counts from its first byte, on that of the application from its request for a WebSocket.
 */
export class WebSocketListener implements Listener {
  readonly #options: WebSocketOptions
  readonly #limits: WebSocketLimits
  readonly #webSockets = new WebSocketServer({ ...webSocketOptions, noServer: true, clientTracking: false })
  /** Connections to our own port that have not asked for a WebSocket yet, by their address. */
  readonly #beforeUpgrade = new Map<string, IncomingConnection>()
  #http: HttpServer | undefined
  #stop = () => {}

  constructor(options: WebSocketOptions, limits: WebSocketLimits) {
    this.#options = options
    this.#limits = limits
  }

  /** @throws UsmpError INVALID_ARGUMENT, also if the HTTP server has a listener with this path; TRANSPORT_FAILED */
  async start(handler: ConnectionHandler): Promise<void> {
    const { server } = this.#options
    const http = server ?? createOwnServer(this.#options, this.#limits.upgradeTimeout)
    this.#register(http)
    this.#http = http
    const idle =
      server && new IdleConnections(server, this.#limits.maxIdle, (address) => this.#onIdle(handler, address))
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      idle?.forget(addressOf(socket as Socket))
      this.#upgrade(handler, request, socket as Socket, head)
    }
    http.on('upgrade', onUpgrade)
    this.#stop = () => {
      http.off('upgrade', onUpgrade)
      idle?.stop()
    }
    if (server) return
    http.on('connection', (socket: Socket) => this.#onConnection(handler, socket))
    await startListening(http, this.#options.host ?? DEFAULT_HOST, this.#options.port)
    http.on('error', (error) => handler.onFault('the listening socket had a fault', error))
  }

  /** Where it listens, as `ws://host:port/path`. */
  get address(): string {
    const address = this.#http?.address() as AddressInfo | null | undefined
    if (!address) throw new UsmpError('NOT_CONNECTED', 'the server does not listen for WebSockets')
    const scheme = 'setSecureContext' in this.#http! ? 'wss' : 'ws'
    return `${scheme}://${formatAddress(address.address, address.port)}${this.#path}`
  }

  /** Leaves an HTTP server of the application alone. */
  async close(): Promise<void> {
    const http = this.#http
    if (!http) return
    this.#stop()
    const listeners = listenersOf.get(http)
    if (listeners?.get(this.#path) === this) listeners.delete(this.#path)
    if (!this.#options.server && http.listening) await once(http.close(), 'close')
  }

  get #path(): string {
    return this.#options.path ?? '/'
  }

  #register(http: HttpServer): void {
    const listeners = listenersOf.get(http) ?? new Map<string, WebSocketListener>()
    if (listeners.has(this.#path)) {
      throw new UsmpError(
        'INVALID_ARGUMENT',
        `another server takes the WebSockets of ${this.#path} on this HTTP server`,
      )
    }
    listenersOf.set(http, listeners.set(this.#path, this))
  }

  /** Whether no other listener on this HTTP server can answer: all of them are of ours, and this is the first of them. */
  #isLastResort(path: string): boolean {
    const listeners = listenersOf.get(this.#http!)!
    const [first] = listeners.values()
    return first === this && !listeners.has(path) && this.#http!.listenerCount('upgrade') === listeners.size
  }

  #onIdle(handler: ConnectionHandler, address: string): void {
    const limit = `${this.#limits.maxIdle} connections that ask for nothing`
    handler.onRefused(address, new UsmpError('TOO_MANY_CONNECTIONS', limit))
  }

  /** Before it asks for anything a connection is an idle handshake, and gives way like one. */
  #onConnection(handler: ConnectionHandler, socket: Socket): void {
    const connection = reserve(handler, socket)
    if (!connection) return
    const address = addressOf(socket)
    this.#beforeUpgrade.set(address, connection)
    socket.once('close', () => this.#beforeUpgrade.delete(address))
    const { signal } = connection.handshake!
    signal.addEventListener('abort', () => {
      if (!this.#beforeUpgrade.delete(address)) return
      handler.onRefused(address, signal.reason as UsmpError)
      socket.destroy()
    })
  }

  #upgrade(handler: ConnectionHandler, request: IncomingMessage, socket: Socket, head: Buffer): void {
    const path = request.url?.split('?', 1)[0] ?? ''
    const address = addressOf(socket)
    if (path !== this.#path) {
      if (this.#isLastResort(path)) answerAndClose(socket, '404 Not Found')
      return
    }
    const { origin } = request.headers
    if (origin !== undefined && !this.#options.origins?.includes(origin)) {
      answerAndClose(socket, '403 Forbidden')
      handler.onRefused(address, new UsmpError('ORIGIN_REFUSED', origin))
      return
    }
    const connection = this.#beforeUpgrade.get(address) ?? reserve(handler, socket)
    this.#beforeUpgrade.delete(address)
    if (!connection) return
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      handler.acceptReserved(webSocketTransport(webSocket, socket), connection),
    )
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return formatAddress(remoteAddress, remotePort)
}

/** Counts a socket from here to its end. */
function reserve(handler: ConnectionHandler, socket: Socket): IncomingConnection | undefined {
  const source = addressBlock(socket.remoteAddress ?? 'unknown')
  const connection = handler.reserve({
    address: addressOf(socket),
    source,
    handle: { destroy: () => void socket.destroy() },
  })
  // Not `once`, which keeps more; the event comes once.
  if (connection) socket.on('close', () => handler.release(connection))
  return connection
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
