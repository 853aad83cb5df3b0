import {
  authorizationTable,
  callback,
  clock,
  deviceId,
  flag,
  group,
  hasMethods,
  integer,
  type OptionRule,
  oneOf,
  psk,
  retryRows,
  secretText,
  sessionRows,
  signal,
  suite,
  type TableOf,
  text,
  time,
} from '@usmp/core/options'
import type { ConnectOptions, SessionsOptions } from './connect.js'
import type { AttachedServerOptions, ListenOptions, OwnServerOptions } from './listen-options.js'
import type { AcceptOptions } from './listener.js'
import type { SerialOptions } from './serial-port.js'
import type { TcpOptions } from './tcp.js'
import type { UdpOptions } from './udp.js'

// ─── rules ───

const certificates: OptionRule = { ...secretText, expected: 'PEM, as text or bytes' }
const keys: OptionRule = {
  expected: 'a function, a Map or an object from device id to key; for one key for all devices there is sharedPsk',
  fits: (value) =>
    typeof value === 'function' || (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)),
  secret: true,
}
const sharedPsk: OptionRule = { expected: psk.expected, fits: psk.fits, secret: true }
const limit = integer(1, Number.MAX_SAFE_INTEGER)
const port = integer(0, 65_535)
const serialSource: OptionRule = {
  expected: 'a line to open, as serialPort(path) makes it',
  fits: (value) => hasMethods(value, 'open'),
}
const httpServer: OptionRule = {
  expected: 'an HTTP or HTTPS server',
  fits: (value) => hasMethods(value, 'on', 'address'),
}
/** What never is the path of a request would never match one. */
const path: OptionRule = {
  expected: 'a path as requests have it, like /usmp, without query and percent-encoded where needed',
  fits: (value) => typeof value === 'string' && value.startsWith('/') && urlOf(`ws://host${value}`)?.pathname === value,
}
/** As browsers write them: what is written in another way would never match. */
const origins: OptionRule = {
  expected: 'a list of origins as browsers write them, like https://app.example, without a slash at the end',
  fits: (value) => Array.isArray(value) && value.every(isOrigin),
}

function isOrigin(value: unknown): boolean {
  if (value === 'null') return true
  if (typeof value !== 'string') return false
  const url = urlOf(value)
  // Of other schemes (extensions of browsers) a URL knows no origin.
  return url?.origin === 'null' ? /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(value) : url?.origin === value
}

function urlOf(value: string): URL | undefined {
  try {
    return new URL(value)
  } catch {
    return undefined
  }
}

// ─── tables: one row for each option ───

/** What both ends take here. */
const endRows = { ...sessionRows, unsafeWireVersion1: flag, signal }

const hostAndPort: TableOf<NonNullable<ListenOptions['udp']>> = { host: text, port }

const websocketTable: TableOf<OwnServerOptions> = {
  server: httpServer,
  host: text,
  port: { ...port, required: true },
  path,
  origins,
  tls: group({ key: { ...certificates, required: true }, cert: { ...certificates, required: true } }),
}
/** The HTTP server has its address and its certificate already. */
const attachedTable: TableOf<AttachedServerOptions> = { server: httpServer, path, origins }

/** Of `listen`. */
export const listenTable: TableOf<ListenOptions> = {
  tcp: group(hostAndPort),
  udp: group(hostAndPort),
  websocket: group((value) => (httpServer.fits(value.server) ? attachedTable : websocketTable)),
  serial: serialSource,
  psk: keys,
  sharedPsk,
  allowWeakPsk: flag,
  suite,
  duplicates: oneOf('replace', 'reject'),
  maxConnections: limit,
  maxConnectionsPerAddress: limit,
  maxHandshakes: limit,
  onUnproven: callback,
  clock,
  ...endRows,
}

/** Of `server.accept`. */
export const acceptTable: TableOf<AcceptOptions> = {
  address: text,
  deviceId: { ...deviceId, required: false },
  onSession: callback,
}

/** Of `connect`. */
export const connectTable: TableOf<ConnectOptions> = {
  deviceId,
  ...authorizationTable,
  connectTimeout: time,
  ca: certificates,
  cert: certificates,
  key: certificates,
  pin: text,
  ...endRows,
}

/** Of `sessions`. */
export const sessionsTable: TableOf<SessionsOptions> = { ...connectTable, ...retryRows }

/** Of `serialPort`. */
export const serialPortTable: TableOf<SerialOptions> = { baudRate: limit, rtscts: flag, dtr: flag, rts: flag }

/** Of `connectTcp`. */
export const tcpTable: TableOf<TcpOptions> = { timeout: time, signal }

/** Of `connectUdp`. */
export const udpTable: TableOf<UdpOptions> = { timeout: time, signal }
