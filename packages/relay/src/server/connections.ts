import type { Server, Socket } from 'node:net'
import { addressBlock } from './ip-address.js'

/** The TCP connections of a server, before and after TLS and HTTP. One address has a share of them only. */
export class Connections {
  readonly #sockets = new Set<Socket>()
  readonly #counts = new Map<string, number>()

  /** @param maxPerAddress Infinity where all come from a proxy */
  constructor(server: Server, maxPerAddress: number) {
    server.on('connection', (socket: Socket) => {
      const block = addressBlock(socket.remoteAddress ?? 'unknown')
      const count = this.#counts.get(block) ?? 0
      if (count >= maxPerAddress) {
        socket.destroy()
        return
      }
      this.#counts.set(block, count + 1)
      this.#sockets.add(socket)
      socket.on('close', () => this.#forget(socket, block))
    })
  }

  /** Cuts them all. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #forget(socket: Socket, block: string): void {
    this.#sockets.delete(socket)
    const count = this.#counts.get(block)! - 1
    if (count > 0) this.#counts.set(block, count)
    else this.#counts.delete(block)
  }
}
