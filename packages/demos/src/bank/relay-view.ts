import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { MessageFinder } from './messages-of.js'

/** A message as the relay sees it: bytes that it cannot read. */
export interface SeenMessage {
  /** ms since 1970 */
  readonly at: number
  /** Which of its two sockets it came from, by the side that this one told when it joined. */
  readonly side: 0 | 1
  readonly bytes: Buffer
}

const FLAGS = 3
const SIDE = 0x01

/** Stands at the door of a relay without TLS, and sees what the relay sees. */
export class RelayView {
  readonly url: URL
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    this.url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  static async start(relay: URL, onMessage: (message: SeenMessage) => void): Promise<RelayView> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const view = new RelayView(server)
    server.on('connection', (peer) => view.#pass(peer, relay, onMessage))
    return view
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #pass(peer: Socket, relay: URL, onMessage: (message: SeenMessage) => void): void {
    const upstream = createConnection({ host: relay.hostname, port: Number(relay.port) })
    let side: 0 | 1 | undefined
    const finder = new MessageFinder((bytes) => {
      // The first message is the JOIN.
      if (side === undefined) side = bytes[FLAGS]! & SIDE ? 1 : 0
      else onMessage({ at: Date.now(), side, bytes })
    })
    peer.on('data', (chunk: Buffer) => finder.push(chunk))
    for (const [from, to] of [
      [peer, upstream],
      [upstream, peer],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }
}
