import type { Abortable } from '@usmp/core'
import { callback, flag, integer, type OptionRule, oneOf, signal, type TableOf, text, time } from '@usmp/core/options'
import { type Carrier, carrierKinds, MAX_NAME, MAX_PORT, type Role } from './facts.js'
import { familyOf, type InterfaceTable } from './networks.js'

/** Where discovery happens: the same for who searches and for who wants to be found. */
export interface PlaceOptions {
  /** Interfaces by name, as `eth0`; default: all but loopback. Loopback is taken only if it is named. */
  readonly interfaces?: readonly string[]
  /** By mDNS; default true. */
  readonly mdns?: boolean
  /** By UDP queries; default true. */
  readonly udp?: boolean
  /** UDP port of queries; default 9001. The same at both ends. */
  readonly port?: number
  /** For tests: the port of mDNS, which is 5353. */
  readonly mdnsPort?: number
  /** For tests: what `os.networkInterfaces()` gives. */
  readonly networkInterfaces?: () => InterfaceTable
}

/** Options of {@link discover}. */
export interface DiscoverOptions extends PlaceOptions, Abortable {
  /** Default: gateways. */
  readonly roles?: readonly Role[]
  /** ms; 0 searches until `signal` aborts or the loop is left; default 3000. */
  readonly timeout?: number
  /** Hosts that are asked alone, by name or address: the way into networks that multicasts and broadcasts do not reach. */
  readonly hosts?: readonly string[]
  /** Gateways of this site only. */
  readonly site?: string
  /** For tests: ms between rounds once the first three are done; default 5000. */
  readonly interval?: number
}

/** One way to a peer, and the host that it listens on. */
export interface ListeningCarrier extends Carrier {
  /** As given to `listen`: an address of this machine, `0.0.0.0` or `::`; default all. Announced only where it can be reached. */
  readonly host?: string
}

/** Options of {@link announce}. */
export interface AnnounceOptions extends PlaceOptions {
  readonly role: Role
  /** Of a gateway: 1 to 32 letters, digits, - and _. */
  readonly site?: string
  /** Where sessions are taken; each kind once. */
  readonly carriers?: readonly ListeningCarrier[]
  /** Path of the WebSocket. */
  readonly path?: string
  /** Of a gateway: it takes unknown devices for approval now. */
  readonly joinOpen?: boolean
  /** Of a device: 12 hex digits, with or without colons. It goes to nobody without `announceId`. */
  readonly deviceId?: string
  /** Tells everybody in the network the device id, all the time; default false. */
  readonly announceId?: boolean
  /** Told of what does not work, in words, once each. */
  readonly onWarning?: (message: string) => void
  /** For tests: ms between two looks at the addresses of this machine; default 5000. */
  readonly followInterval?: number
}

const names: OptionRule = {
  expected: 'a list of texts',
  fits: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''),
}
const roles: OptionRule = {
  expected: 'a list with "gateway", "device" or both',
  fits: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((role) => role === 'gateway' || role === 'device'),
}
const site: OptionRule = {
  expected: `a name of 1 to ${MAX_NAME} letters, digits, - and _`,
  fits: (value) => typeof value === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(value),
}
const carriers: OptionRule = {
  expected: `a list of { kind, port, host }, each kind once: ${carrierKinds.join(', ')}; the host being an address`,
  fits: (value) =>
    Array.isArray(value) && value.every(isCarrier) && new Set(value.map(({ kind }) => kind)).size === value.length,
}
const port = integer(1, MAX_PORT)

function isCarrier({ kind, port, host }: ListeningCarrier): boolean {
  const isPort = Number.isInteger(port) && port >= 1 && port <= MAX_PORT
  return carrierKinds.includes(kind) && isPort && (host === undefined || familyOf(host) !== undefined)
}

const placeRows = {
  interfaces: names,
  mdns: flag,
  udp: flag,
  port,
  mdnsPort: port,
  networkInterfaces: callback,
}

/** Of `discover`. */
export const discoverTable: TableOf<DiscoverOptions> = {
  ...placeRows,
  roles,
  timeout: time,
  hosts: names,
  site,
  interval: time,
  signal,
}

/** Of `announce`. */
export const announceTable: TableOf<AnnounceOptions> = {
  ...placeRows,
  role: { ...oneOf('gateway', 'device'), required: true },
  site,
  carriers,
  path: text,
  joinOpen: flag,
  deviceId: text,
  announceId: flag,
  onWarning: callback,
  followInterval: time,
}
