import type { Abortable } from '@usmp/core'
import {
  abortableTable,
  callback,
  clock,
  flag,
  group,
  integer,
  isObject,
  type OptionRule,
  type OptionTable,
  period,
  signal,
  type TableOf,
  time,
} from '@usmp/core/options'
import type { Contract } from './contract.js'
import type { Limits } from './limits.js'
import type { RequestOptions, StreamOptions } from './peer.js'
import type { ReconnectingRequestOptions } from './reconnecting.js'

const schemas: OptionRule = { expected: 'an object of definitions, each under its name', fits: isObject }
const count = /* @__PURE__ */ integer(1, 2 ** 31 - 1)
const source: OptionRule = { expected: 'a function that gives the items', fits: callback.fits, required: true }
const overflow: OptionRule = {
  expected: 'block, keepLatest or dropOldest',
  fits: (value) => ['block', 'keepLatest', 'dropOldest'].includes(value as string),
  required: true,
}
const buffer: OptionRule = { expected: 'an integer of at least 1', fits: count.fits, required: true }

/** Of `contract`. */
export const contractTable: TableOf<Contract> = { requests: schemas, notifications: schemas, streams: schemas }

const contract = /* @__PURE__ */ group(contractTable)

/** Of the option `limits`. */
const limitsTable: TableOf<Limits> = {
  outgoingRequests: count,
  incomingRequests: count,
  streams: count,
  message: count,
}

const stream = /* @__PURE__ */ group(
  ({ overflow: mode }): OptionTable =>
    mode === 'block' || mode === 'keepLatest' ? { overflow, items: source } : { overflow, items: source, buffer },
)

/** Of `rpc`: the functions are those of the contract `serves`. */
export function rpcTable(serves: unknown): OptionTable {
  const { requests, notifications, streams } = isObject(serves) ? serves : {}
  return {
    serves: contract,
    calls: contract,
    requests: group(namesOf(requests, callback)),
    notifications: group(namesOf(notifications, callback)),
    streams: group(namesOf(streams, stream)),
    limits: group(limitsTable),
    onBinary: callback,
    onFault: callback,
    clock,
  }
}

/** Of `reconnecting`. */
export function reconnectingTable(serves: unknown): OptionTable {
  return { ...rpcTable(serves), onPeer: callback }
}

function namesOf(part: unknown, rule: OptionRule): OptionTable {
  return Object.fromEntries(Object.keys(part ?? {}).map((name) => [name, rule]))
}

/** Of `notify`. */
export const notifyTable: TableOf<Abortable> = abortableTable

/** Of `stream` of a peer. */
export const streamTable: TableOf<StreamOptions> = { timeout: time, signal }

/** Of `request` of a peer. */
export const requestTable: TableOf<RequestOptions> = { timeout: time, ttl: period, signal }

/** Of `request` of a reconnecting peer. */
export const reconnectingRequestTable: TableOf<ReconnectingRequestOptions> = {
  timeout: time,
  ttl: period,
  signal,
  idempotent: flag,
}
