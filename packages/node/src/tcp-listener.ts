import { once } from 'node:events'
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net'
import { UsmpError } from '@usmp/core'
import type { ConnectionHandler, Listener } from './listener.js'
import { DEFAULT_HOST, DEFAULT_PORT, formatAddress, startListening, tcpTransport } from './tcp.js'

/** A TCP port where connections come in. */
export class TcpListener implements Listener {
  readonly #host: string
  readonly #port: number
  readonly #net: NetServer = createServer()

  constructor({ host = DEFAULT_HOST, port = DEFAULT_PORT }: { readonly host?: string; readonly port?: number }) {
    this.#host = host
    this.#port = port
  }

  async start(handler: ConnectionHandler): Promise<void> {
    this.#net.on('connection', (socket: Socket) => {
      void handler.accept(tcpTransport(socket), { address: socket.remoteAddress ?? 'unknown' })
    })
    await startListening(this.#net, this.#host, this.#port)
    this.#net.on('error', (error) => handler.onFault('the listening socket had a fault', error))
  }

  async close(): Promise<void> {
    if (this.#net.listening) await once(this.#net.close(), 'close')
  }

  /** `host:port` */
  get address(): string {
    const { address, port } = this.#bound
    return formatAddress(address, port)
  }

  /**
   * The port that was taken.
   * @throws UsmpError NOT_CONNECTED while it does not listen
   */
  get port(): number {
    return this.#bound.port
  }

  get #bound(): AddressInfo {
    const address = this.#net.address()
    if (!address) throw new UsmpError('NOT_CONNECTED', 'the server does not listen on TCP')
    return address as AddressInfo
  }
}
