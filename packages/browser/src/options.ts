import {
  authorize,
  callback,
  cookies,
  datagram,
  deviceId,
  extensions,
  flag,
  isObject,
  maxRefusals,
  provider,
  psk,
  reliableDatagram,
  signal,
  suite,
  type TableOf,
  time,
} from '@usmp/core/options'
import type { AcceptAllOptions } from './accept-all.js'
import type { AcceptOptions, ConnectOptions, SessionsOptions } from './connect.js'
import type { CredentialsOptions } from './credentials.js'

/** Of `connect`. */
export const connectTable: TableOf<ConnectOptions> = {
  deviceId,
  psk,
  allowWeakPsk: flag,
  suite,
  connectTimeout: time,
  handshakeTimeout: time,
  keepalive: time,
  idleTimeout: time,
  extensions,
  reliableDatagram,
  datagram,
  provider,
  signal,
}

/** Of `sessions`. */
export const sessionsTable: TableOf<SessionsOptions> = { ...connectTable, onRetry: callback, maxRefusals }

/** Of `accept`. */
export const acceptTable: TableOf<AcceptOptions> = {
  authorize,
  onUnproven: callback,
  handshakeTimeout: time,
  keepalive: time,
  idleTimeout: time,
  extensions,
  reliableDatagram,
  datagram,
  cookies,
  provider,
  signal,
}

/** Of `browserCredentials`. */
export const credentialsTable: TableOf<CredentialsOptions> = {
  replace: flag,
  page: { expected: 'a window', fits: isObject },
}

/** Of `acceptAll`. */
export const acceptAllTable: TableOf<AcceptAllOptions> = { ...acceptTable, onRefused: callback }
