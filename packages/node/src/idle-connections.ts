import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { addressBlock, mostFrequent } from './ip-address.js'
import { formatAddress } from './tcp.js'

interface HttpConnection {
  readonly socket: Socket
  readonly address: string
  readonly source: string
  /** Requests that are not answered yet. */
  requests: number
}

/**
 * Bounds the connections of an application's HTTP server that ask for nothing at the moment: silent ones, and those that are
 * kept open for another request. Beyond the limit one of them ends, the oldest of the address that has most of them, so that
 * connections that say nothing take no room from others. What is being answered is left alone, and so is what was upgraded.
 */
export class IdleConnections {
  readonly #http: HttpServer
  readonly #max: number
  readonly #onEnd: (address: string) => void
  /** By address and port, as TLS has another socket for the same connection. */
  readonly #connections = new Map<string, HttpConnection>()
  /** In the order in which they became idle. */
  readonly #idle = new Set<HttpConnection>()

  /** @param onEnd told of each connection that had to end */
  constructor(http: HttpServer, max: number, onEnd: (address: string) => void) {
    this.#http = http
    this.#max = max
    this.#onEnd = onEnd
    http.on('connection', this.#onConnection)
    http.on('request', this.#onRequest)
  }

  /** The connection belongs to somebody else from now on. */
  forget(address: string): void {
    const connection = this.#connections.get(address)
    if (!connection) return
    this.#connections.delete(address)
    this.#idle.delete(connection)
  }

  /** Leaves the HTTP server alone. */
  stop(): void {
    this.#http.off('connection', this.#onConnection)
    this.#http.off('request', this.#onRequest)
    this.#connections.clear()
    this.#idle.clear()
  }

  readonly #onConnection = (socket: Socket): void => {
    const address = formatAddress(socket.remoteAddress, socket.remotePort)
    const connection = { socket, address, source: addressBlock(socket.remoteAddress ?? 'unknown'), requests: 0 }
    this.#connections.set(address, connection)
    socket.once('close', () => {
      this.#idle.delete(connection)
      if (this.#connections.get(address) === connection) this.#connections.delete(address)
    })
    this.#addIdle(connection)
  }

  readonly #onRequest = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const connection = this.#connections.get(formatAddress(socket.remoteAddress, socket.remotePort))
    if (!connection) return
    connection.requests++
    this.#idle.delete(connection)
    response.once('close', () => {
      connection.requests--
      const isOpen = this.#connections.get(connection.address) === connection
      if (isOpen && connection.requests === 0) this.#addIdle(connection)
    })
  }

  #addIdle(connection: HttpConnection): void {
    this.#idle.add(connection)
    if (this.#idle.size <= this.#max) return
    const source = mostFrequent([...this.#idle].map((idle) => idle.source))
    const oldest = [...this.#idle].find((idle) => idle.source === source)!
    this.#idle.delete(oldest)
    oldest.socket.destroy()
    this.#onEnd(oldest.address)
  }
}
