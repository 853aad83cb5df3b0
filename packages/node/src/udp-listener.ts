import type { RemoteInfo, Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type CryptoProvider, type ErrorCode, UsmpError } from '@usmp/core'
import { AddressValidation } from './address-validation.js'
import { nodeClock } from './clock.js'
import { nodeRandom } from './crypto-node.js'
import { DatagramDemultiplexer } from './datagram-demultiplexer.js'
import { resolveHost } from './host-name.js'
import type { ConnectionHandler, Listener } from './listener.js'
import { assertPort, DEFAULT_HOST, DEFAULT_PORT, formatAddress } from './tcp.js'
import { openUdpSocket } from './udp.js'

const COOKIE_SECRET_SIZE = 32

/**
 * Bytes of datagrams that wait while a server is busy, for all its devices; the system may grant less. Linux counts 768 for a small
 * one, and its default of 208 KiB overflows when a thousand devices are at work and the event loop is 30 ms late.
 */
const RECEIVE_BUFFER = 1024 * 1024

/** One UDP socket for all devices. */
export class UdpListener implements Listener {
  readonly #host: string
  readonly #port: number
  readonly #validation: AddressValidation
  #demultiplexer: DatagramDemultiplexer<RemoteInfo> | undefined
  #socket: Socket | undefined

  constructor(
    { host = DEFAULT_HOST, port = DEFAULT_PORT }: { readonly host?: string; readonly port?: number },
    provider: CryptoProvider,
  ) {
    this.#host = host
    this.#port = port
    this.#validation = new AddressValidation(provider, nodeRandom(COOKIE_SECRET_SIZE), nodeClock.now)
  }

  async start(handler: ConnectionHandler): Promise<void> {
    assertPort(this.#port)
    const socket = await bindSocket(this.#host, this.#port)
    this.#socket = socket
    // What the system does not take is lost like any datagram, and repeated.
    const send = (datagram: Uint8Array, { address, port }: RemoteInfo) => {
      if (this.#socket) socket.send(datagram, port, address, () => {})
    }
    const demultiplexer = new DatagramDemultiplexer<RemoteInfo>({
      send,
      validateHello: (datagram, from) => this.#validation.validateHello(datagram, from, (answer) => send(answer, from)),
      mayBegin: (from) => this.#validation.mayBegin(from),
      onPeer: (peer, { address }) => {
        const { transport, deviceId } = peer
        void handler.accept(transport, { address, deviceId, onSession: () => peer.takeOver() })
      },
    })
    this.#demultiplexer = demultiplexer
    socket.on('error', (error) => handler.onFault('the UDP socket had a fault', error))
    socket.on('message', (datagram, from) => {
      demultiplexer.receive(datagram, formatAddress(from.address, from.port), from)
    })
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

  /** Datagrams that belonged to no handshake or session and were dropped, by the code of their fault. */
  get dropped(): ReadonlyMap<ErrorCode, number> {
    return this.#demultiplexer?.dropped ?? new Map()
  }

  /** The sessions say BYE over the socket, so it stays until they have left. */
  async close(): Promise<void> {
    const socket = this.#socket
    if (!socket) return
    await this.#demultiplexer?.empty()
    this.#socket = undefined
    socket.close()
    await once(socket, 'close')
  }

  get #bound(): AddressInfo {
    if (!this.#socket) throw new UsmpError('NOT_CONNECTED', 'the server does not listen on UDP')
    return this.#socket.address()
  }
}

/** @throws UsmpError TRANSPORT_FAILED */
async function bindSocket(host: string, port: number): Promise<Socket> {
  try {
    const [address = host] = await resolveHost(host, { timeout: 0 })
    return await bindTo(address, port)
  } catch (cause) {
    const detail = `cannot listen on UDP ${formatAddress(host, port)}: ${(cause as Error).message}`
    throw new UsmpError('TRANSPORT_FAILED', detail, { cause, hint: 'Choose another port, or end what holds it.' })
  }
}

async function bindTo(address: string, port: number): Promise<Socket> {
  const socket = openUdpSocket(address, { recvBufferSize: RECEIVE_BUFFER })
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
