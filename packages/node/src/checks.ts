import { Connection, type ServerOptions, UsmpError } from '@usmp/core'
import { DatagramLink } from '@usmp/core/datagram'
import { nodeRandom } from './crypto-node.js'

/** @throws UsmpError INVALID_ARGUMENT if `value` is given and no limit */
export function assertLimit(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return
  throw new UsmpError('INVALID_ARGUMENT', `${name} must be a whole number over 0, not ${value}`)
}

type Options = Pick<ServerOptions, 'handshakeTimeout' | 'idleTimeout' | 'keepalive' | 'extensions' | 'datagram'>

/**
 * Lets the core judge the options of sessions before there is a peer: a connection that nobody uses.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function assertSessionOptions({
  handshakeTimeout,
  idleTimeout,
  keepalive,
  extensions,
  datagram,
}: Options): void {
  const options = Object.entries({ handshakeTimeout, idleTimeout, keepalive, extensions, datagram })
  const entries = options.filter(([, value]) => value !== undefined)
  if (entries.length === 0) return
  const given = Object.fromEntries(entries) as Options
  Connection.server({ kind: 'datagram', datagramLink: DatagramLink, random: nodeRandom, ...given }, 0)
}
