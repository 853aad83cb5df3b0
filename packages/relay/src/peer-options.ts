import {
  callback,
  clock,
  group,
  hasMethods,
  integer,
  type OptionRule,
  provider,
  signal,
  type TableOf,
  time,
} from '@usmp/core/options'
import { channelTable } from './channel-options.js'
import type { CircuitOptions } from './circuit.js'
import type { PairByCodeOptions } from './pair-by-code.js'
import { pairingTable } from './pairing.js'
import type { RelayPeerOptions } from './peer.js'
import type { RelaySessionsOptions } from './relay-sessions.js'
import { type Join, MAX_TOKEN, ROUTE_SIZE } from './wire.js'

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array

const url: OptionRule = {
  expected: 'a URL of wss:, or of ws: on this machine',
  fits: (value) => value instanceof URL && /^wss?:$/.test(value.protocol),
  required: true,
}
const dial: OptionRule = { ...callback, expected: 'a function, as nodeDial and browserDial make it', required: true }
const keys: OptionRule = {
  expected: 'the keys of a pair, as pairWith of an Identity makes them',
  fits: (value) => hasMethods(value, 'route', 'deviceId', 'wipe'),
  required: true,
  secret: true,
}
const token: OptionRule = {
  expected: `a Uint8Array of at most ${MAX_TOKEN} bytes`,
  fits: (value) => isBytes(value) && value.length <= MAX_TOKEN,
  secret: true,
}
const route: OptionRule = {
  expected: `a Uint8Array of ${ROUTE_SIZE} bytes`,
  fits: (value) => isBytes(value) && value.length === ROUTE_SIZE,
  required: true,
  secret: true,
}
const joinTable: TableOf<Join> = {
  route,
  side: { .../* @__PURE__ */ integer(0, 1), required: true },
  pairing: { expected: 'true or false', fits: (value) => typeof value === 'boolean', required: true },
  token: { ...token, required: true },
}

/** Of `openCircuit`. */
export const circuitTable: TableOf<CircuitOptions> = {
  url,
  dial,
  join: { .../* @__PURE__ */ group(joinTable), required: true },
  timeout: time,
  clock,
  onWaiting: callback,
  signal,
}

/** What `relaySessions` and `RelayPeer.start` take. */
const meetingRows = { relay: url, dial, keys, token, clock, random: callback, provider, now: callback, signal }

/** Of `relaySessions`. */
export const relaySessionsTable: TableOf<RelaySessionsOptions> = {
  ...meetingRows,
  onState: callback,
  keepalive: time,
  idleTimeout: time,
}

/** Of `RelayPeer.start`. */
export const relayPeerTable: TableOf<RelayPeerOptions> = {
  ...meetingRows,
  cover: channelTable.cover,
  maxMessages: channelTable.maxMessages,
  maxBytes: channelTable.maxBytes,
  onUnconfirmed: channelTable.onUnconfirmed,
}

const { circuit: _, ...pairingRows } = pairingTable

/** Of `hostByCode` and `joinByCode`. */
export const pairByCodeTable: TableOf<PairByCodeOptions> = {
  ...pairingRows,
  relay: url,
  dial,
  token,
  onWaiting: callback,
  onRetry: callback,
}
