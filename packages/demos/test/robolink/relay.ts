import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Somebody on the path who hands everything on and keeps a copy. */
export interface Relay {
  readonly port: number
  /** All that passed, in both directions. */
  captured(): Buffer
}

/** A relay in front of a TCP port of this machine. */
export async function tcpRelay(port: number): Promise<Relay> {
  const chunks: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (chunk: Buffer) => chunks.push(chunk))
      from.on('error', () => to.destroy())
      from.on('close', () => sockets.delete(from))
      from.pipe(to)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, captured: () => Buffer.concat(chunks) }
}

/** A relay for one client in front of a UDP port of this machine. */
export async function udpRelay(port: number): Promise<Relay> {
  const chunks: Buffer[] = []
  const [near, far] = [createSocket('udp4'), createSocket('udp4')]
  let client: { port: number; address: string } | undefined
  near.on('message', (data, from) => {
    client = from
    chunks.push(data)
    far.send(data, port, '127.0.0.1')
  })
  far.on('message', (data) => {
    chunks.push(data)
    if (client) near.send(data, client.port, client.address)
  })
  near.bind(0, '127.0.0.1')
  await once(near, 'listening')
  onTestFinished(() => {
    near.close()
    far.close()
  })
  return { port: near.address().port, captured: () => Buffer.concat(chunks) }
}
