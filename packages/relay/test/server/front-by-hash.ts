import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What a peer writes behind `s=`: the first byte of SHA-256 of the route, as 2 hex digits. */
export const slotOf = (route: Uint8Array): string => createHash('sha256').update(route).digest('hex').slice(0, 2)

/** One name before several relays: sends a connection to the relay that the `s` of its first request decides. */
export class FrontByHash {
  readonly #ports: readonly number[]
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((socket) => this.#onConnection(socket))
  /** Connections that each relay got. */
  readonly counts: number[]

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.counts = ports.map(() => 0)
  }

  static async start(ports: readonly number[]): Promise<FrontByHash> {
    const front = new FrontByHash(ports)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    return front
  }

  /** As a peer dials for a route. */
  urlFor(route: Uint8Array): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/relay?s=${slotOf(route)}`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server.close(), 'close')
  }

  #onConnection(socket: Socket): void {
    this.#keep(socket)
    socket.once('data', (head) => {
      const slot = Number.parseInt(/^GET \/relay\?s=([0-9a-f]{2}) /.exec(head.toString('latin1'))?.[1] ?? '0', 16)
      const index = slot % this.#ports.length
      this.counts[index]!++
      const relay = this.#keep(connect(this.#ports[index]!, '127.0.0.1'))
      relay.write(head)
      socket.pipe(relay).pipe(socket)
      socket.on('close', () => relay.destroy())
      relay.on('close', () => socket.destroy())
    })
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
  }
}
