// A network between a device and its server that can fall silent, or be cut.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { LOOPBACK } from './fleet.js'

export interface BrokenRelay {
  readonly port: number
  /** While silent it takes what comes and delivers nothing, as a cable that was pulled. */
  setSilent(silent: boolean): void
  /** Ends every connection, and listens no more. */
  cut(): Promise<void>
  /** Listens again, where it did. */
  restore(): Promise<void>
}

/** For TCP, and what goes over it. */
export async function tcpRelay(to: number): Promise<BrokenRelay> {
  const sockets = new Set<Socket>()
  let silent = false
  let server: Server
  let port = 0

  function join(from: Socket, target: Socket): void {
    sockets.add(from)
    from.on('data', (chunk) => {
      if (!target.write(chunk)) from.pause()
    })
    target.on('drain', () => {
      if (!silent) from.resume()
    })
    from.on('end', () => target.end())
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      target.destroy()
    })
    if (silent) from.pause()
  }

  async function restore(): Promise<void> {
    server = createServer({ allowHalfOpen: true }, (front) => {
      const back = connect({ port: to, host: LOOPBACK, allowHalfOpen: true })
      join(front, back)
      join(back, front)
    })
    server.listen(port, LOOPBACK)
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }

  await restore()
  return {
    port,
    restore,
    setSilent(value) {
      silent = value
      for (const socket of sockets) {
        if (silent) socket.pause()
        else socket.resume()
      }
    },
    async cut() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

export async function udpRelay(to: number): Promise<BrokenRelay> {
  /** For each program a socket of its own towards the server. */
  const backs = new Map<number, UdpSocket>()
  let silent = false
  let front: UdpSocket
  let port = 0

  function backOf(device: number): UdpSocket {
    const known = backs.get(device)
    if (known) return known
    const back = createSocket('udp4')
    back.on('error', () => {})
    back.on('message', (datagram) => {
      if (!silent) front.send(datagram, device, LOOPBACK, () => {})
    })
    backs.set(device, back)
    return back
  }

  async function restore(): Promise<void> {
    front = createSocket('udp4')
    front.on('error', () => {})
    front.on('message', (datagram, { port: device }) => {
      if (!silent) backOf(device).send(datagram, to, LOOPBACK, () => {})
    })
    front.bind(port, LOOPBACK)
    await once(front, 'listening')
    port = front.address().port
  }

  await restore()
  return {
    port,
    restore,
    setSilent(value) {
      silent = value
    },
    async cut() {
      for (const back of backs.values()) back.close()
      backs.clear()
      const closed = once(front, 'close')
      front.close()
      await closed
    },
  }
}
