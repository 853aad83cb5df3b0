import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from '../access/network.js'

/** Ends connections above `max` from one address at once, before TLS costs anything: one host must not keep the others off the page. */
export function limitByAddress(server: Server, max: number): void {
  const counts = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const network = networkOf((socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''))
    const count = counts.get(network) ?? 0
    if (count >= max) return void socket.destroy()
    counts.set(network, count + 1)
    socket.once('close', () => {
      const left = counts.get(network)! - 1
      if (left > 0) counts.set(network, left)
      else counts.delete(network)
    })
  })
}
