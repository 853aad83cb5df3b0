import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { object } from 'valibot'
import { afterAll, describe, expect, test } from 'vitest'
import { contract } from '../src/contract.ts'
import {
  contractTable,
  notifyTable,
  reconnectingRequestTable,
  reconnectingTable,
  requestTable,
  rpcTable,
  streamTable,
} from '../src/options.ts'
import { rpc } from '../src/peer.ts'
import { reconnecting } from '../src/reconnecting.ts'
import { sessionPair } from './pair.ts'

const nothing = object({})
const api = contract({
  requests: { name: { params: nothing, result: nothing } },
  notifications: { hello: nothing },
  streams: { ticks: { params: nothing, item: nothing } },
})
const handlers = {
  requests: { name: () => ({}) },
  notifications: { hello() {} },
  streams: { ticks: { overflow: 'dropOldest', buffer: 1, async *items() {} } },
} as const
const good = { serves: api, ...handlers }

const { client, server } = await sessionPair()
const peer = rpc(client, { calls: api })
const again = reconnecting((async function* () {})(), { calls: api })
afterAll(() => Promise.all([client.close(), server.close()]))

describeOptions([
  { name: 'contract', table: contractTable, good: {}, call: contract },
  { name: 'rpc', table: rpcTable(api), good, call: (options) => rpc(server, options) },
  {
    name: 'reconnecting',
    table: reconnectingTable(api),
    good,
    call: (options) => reconnecting((async function* () {})(), options),
  },
  { name: 'request', table: requestTable, good: {}, call: (options) => peer.request('name', {}, options) },
  { name: 'notify', table: notifyTable, good: {}, call: (options) => peer.notify('hello', {}, options) },
  { name: 'stream', table: streamTable, good: {}, call: (options) => peer.stream('ticks', {}, options).next() },
  { name: 'request', table: reconnectingRequestTable, good: {}, call: (options) => again.request('name', {}, options) },
])

describe('options: what went wrong in silence', () => {
  const serving = (options: object) => () => rpc(server, { ...good, ...options } as never)

  test.each([
    [
      'a function for a notification that the contract has not',
      { notifications: { helo() {} } },
      'did you mean notifications.hello?',
    ],
    ['a limit that is none', { limits: { outgoingRequest: 1 } }, 'did you mean limits.outgoingRequests?'],
    [
      'a part of a contract that is none',
      { serves: { request: {} } },
      'rpc has no option serves.request; did you mean serves.requests?',
    ],
  ])('%s', async (_, options, message) => expect(await faultOf(serving(options))).toContain(message))
})
