import {
  authorizationTable,
  authorize,
  callback,
  cookies,
  deviceId,
  flag,
  isObject,
  reliableDatagram,
  retryRows,
  sessionRows,
  signal,
  type TableOf,
  time,
} from '@usmp/core/options'
import type { AcceptAllOptions } from './accept-all.js'
import type { AcceptOptions, ConnectOptions, SessionsOptions } from './connect.js'
import type { CredentialsOptions } from './credentials.js'

/** What both ends take here. */
const endRows = { ...sessionRows, reliableDatagram, signal }

/** Of `connect`. */
export const connectTable: TableOf<ConnectOptions> = {
  deviceId,
  ...authorizationTable,
  connectTimeout: time,
  ...endRows,
}

/** Of `sessions`. */
export const sessionsTable: TableOf<SessionsOptions> = { ...connectTable, ...retryRows }

/** Of `accept`. */
export const acceptTable: TableOf<AcceptOptions> = { authorize, onUnproven: callback, ...endRows, cookies }

/** Of `browserCredentials`. */
export const credentialsTable: TableOf<CredentialsOptions> = {
  replace: flag,
  page: { expected: 'a window', fits: isObject },
}

/** Of `acceptAll`. */
export const acceptAllTable: TableOf<AcceptAllOptions> = { ...acceptTable, onRefused: callback }
