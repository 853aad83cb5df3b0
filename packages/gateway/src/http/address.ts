import type { IncomingMessage } from 'node:http'
import { networkInterfaces } from 'node:os'

/** Whether only programs of this machine can reach a server that listens there. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)

/** As it stands in a URL. */
export const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** An address that others can use to reach a server that listens at `host`. */
export function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? 'localhost'
}

/** Where a request comes from. A proxy adds the address that it has seen at the end; what stands before was sent by anybody. */
export function clientAddress(request: IncomingMessage, behindProxy: boolean): string {
  const forwarded = behindProxy ? [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1) : ''
  return (forwarded?.trim() || request.socket.remoteAddress || 'unknown').replace(/^::ffff:(?=\d+\.)/, '').slice(0, 64)
}
