import { CipherSuite, Connection, type ServerOptions, UsmpError } from '@usmp/core'
import { DatagramLink } from '@usmp/core/datagram'
import { nodeRandom } from './crypto-node.js'

/** The longest time that a timer of Node can wait, ms. */
const MAX_TIME = 2 ** 31 - 1

/** @throws UsmpError INVALID_ARGUMENT if `value` is no time in ms */
export function assertTime(name: string, value: number): void {
  if (value >= 0 && value <= MAX_TIME) return
  throw new UsmpError('INVALID_ARGUMENT', `${name} must be a number of ms from 0 to ${MAX_TIME}, not ${value}`)
}

/** @throws UsmpError INVALID_ARGUMENT if `value` is given and no limit */
export function assertLimit(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return
  throw new UsmpError('INVALID_ARGUMENT', `${name} must be a whole number over 0, not ${value}`)
}

/** @throws UsmpError INVALID_ARGUMENT */
export function assertSuite(suite: CipherSuite | undefined): void {
  if (suite === undefined || Object.values(CipherSuite).includes(suite)) return
  throw new UsmpError('INVALID_ARGUMENT', `suite must be a CipherSuite, not ${suite}`)
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
