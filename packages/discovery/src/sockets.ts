import { createSocket, type Socket } from 'node:dgram'
import type { Family } from './networks.js'

/** Of a datagram that is looked at, bytes: RFC 6762 allows no more. */
export const MAX_DATAGRAM = 9_000

/** What is heard: the bytes and who sent them; a link-local IPv6 address with its zone. */
export type OnDatagram = (bytes: Uint8Array, from: { readonly address: string; readonly port: number }) => void

/**
 * A UDP socket that is bound.
 * @param shared other processes may have the port too; multicasts and broadcasts go to all of them
 * @throws the error of the system, see {@link socketFault}
 */
export function openSocket(
  family: Family,
  { host, port, shared }: { host: string; port: number; shared: boolean },
  onDatagram: OnDatagram,
): Promise<Socket> {
  const type = family === 'IPv4' ? 'udp4' : 'udp6'
  const socket = createSocket({
    type,
    reuseAddr: shared,
    ipv6Only: type === 'udp6',
    // Addresses only come here. Without a look-up a datagram leaves while the socket still has the interface it was given.
    lookup: (address, _, done) => done(null, address, family === 'IPv4' ? 4 : 6),
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.off('error', reject)
      // What a network that goes away reports is no fault of ours: the next look at the interfaces notices.
      socket.on('error', () => {})
      socket.on('message', (bytes, from) => {
        if (bytes.length <= MAX_DATAGRAM) onDatagram(bytes, from)
      })
      resolve(socket)
    })
  })
}

/** Sends; what the system says against it is returned, not thrown. */
export function sendTo(socket: Socket, bytes: Uint8Array, port: number, address: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    try {
      socket.send(bytes, port, address, (error) => resolve(error ?? undefined))
    } catch (error) {
      resolve(error as Error)
    }
  })
}

export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve())
    } catch {
      // It is closed.
      resolve()
    }
  })
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port and does not share it',
  EACCES: 'this program lacks the right to do this, or a firewall refuses it',
  EPERM: 'a firewall on this machine refuses it',
  EADDRNOTAVAIL: 'this machine does not have this address any more',
  ENETUNREACH: 'there is no route to this network',
  EHOSTUNREACH: 'there is no route to this host',
  ENODEV: 'the interface takes no multicasts',
  ENOTFOUND: 'nobody knows this name',
  EAI_AGAIN: 'the name service does not answer',
  EAFNOSUPPORT: 'this machine has no IPv6',
}

/** An error of a socket in words for people. */
export function socketFault(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return reasons[code] ?? message
}
