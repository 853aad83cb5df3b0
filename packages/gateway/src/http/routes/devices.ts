import * as v from 'valibot'
import * as contract from '../../contract/commands.js'
import { device, deviceList } from '../../contract/device.js'
import { exportQuery, series, seriesQuery } from '../../contract/telemetry.js'
import { deviceId } from '../../contract/text.js'
import type { Operations } from '../../operations.js'
import { outcomeFor } from '../../requests/outcome-for.js'
import { defined, exportSeries } from '../export.js'
import { type Route, route } from '../route.js'

/** Largest import: as `importDevices` allows, with what JSON adds to it, bytes. */
const MAX_IMPORT = 4_500_000
const params = v.object({ id: deviceId })
const STORED = ['CONFLICT', 'STORE_FAILED'] as const

/** Devices: what they are, and what a person may do with them. */
export function deviceRoutes(operations: Operations): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/devices',
      id: 'devices',
      summary: 'All devices, also those that wait, are revoked or blocked',
      role: 'viewer',
      answer: { json: deviceList },
      handle: () => ({ devices: operations.devices() }),
    }),
    route({
      method: 'get',
      path: '/api/devices/{id}',
      id: 'device',
      summary: 'One device',
      role: 'viewer',
      params,
      answer: { json: device },
      errors: ['NOT_FOUND'],
      handle: ({ params }) => operations.device(params.id),
    }),
    route({
      method: 'post',
      path: '/api/devices',
      id: 'register',
      summary: 'Registers a device with its key before it has ever knocked',
      role: 'operator',
      body: contract.register,
      answer: { json: device },
      errors: ['EXISTS', 'WEAK_PSK', 'STORE_FAILED'],
      handle: ({ caller, body }) => operations.register(caller.actor, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/import',
      id: 'importDevices',
      summary: 'Registers many devices from CSV',
      role: 'operator',
      body: contract.importDevices,
      maxBody: MAX_IMPORT,
      answer: { json: contract.importResult },
      errors: ['STORE_FAILED'],
      handle: ({ caller, body }) => operations.importDevices(caller.actor, body),
    }),
    route({
      method: 'patch',
      path: '/api/devices/{id}',
      id: 'changeDevice',
      summary: 'Changes name, group, idle limit or alarm rules',
      role: 'operator',
      params,
      body: contract.change,
      answer: { json: device },
      errors: ['NOT_FOUND', 'WRONG_STATE', ...STORED],
      handle: ({ caller, params, body }) => operations.change(caller.actor, params.id, body),
    }),
    ...waitingRoutes(operations),
    ...dangerousRoutes(operations),
    ...sessionRoutes(operations),
    ...telemetryRoutes(operations),
  ]
}

/** Devices that wait for a decision. */
function waitingRoutes(operations: Operations): Route[] {
  const PROOF = ['NOT_FOUND', 'WRONG_STATE', 'PROOF_CHANGED', 'PROOF_EXPIRED'] as const
  return [
    route({
      method: 'post',
      path: '/api/devices/{id}/check-key',
      id: 'checkKey',
      summary: 'Whether a key fits the proof of a waiting device; nothing is stored',
      role: 'operator',
      params,
      body: contract.checkKey,
      answer: { json: contract.keyCheck },
      errors: [...PROOF, 'WEAK_PSK'],
      handle: ({ caller, params, body }) => operations.checkKey(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/approve',
      id: 'approve',
      summary: 'Lets a waiting device in',
      role: 'operator',
      params,
      body: contract.approve,
      answer: { json: device },
      errors: [...PROOF, 'EXISTS', 'KEY_DOES_NOT_FIT', 'WEAK_PSK', ...STORED],
      handle: ({ caller, params, body }) => operations.approve(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/star',
      id: 'star',
      summary: 'Keeps a waiting device in the list when it is full, or no longer',
      role: 'operator',
      params,
      body: contract.star,
      answer: { json: device },
      errors: ['NOT_FOUND', 'WRONG_STATE'],
      handle: ({ caller, params, body }) => operations.star(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/dismiss',
      id: 'dismiss',
      summary: 'Takes a waiting device off the list; it comes back with its next knock',
      role: 'operator',
      params,
      answer: null,
      errors: ['NOT_FOUND', 'WRONG_STATE'],
      handle: ({ caller, params }) => operations.dismiss(caller.actor, params.id),
    }),
  ]
}

/** What takes rights or history away. */
function dangerousRoutes(operations: Operations): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/devices/{id}/revoke',
      id: 'revoke',
      summary: 'Ends the session of a device and wipes its key; answers when both are done',
      role: 'admin',
      stepUp: true,
      params,
      body: contract.revoke,
      answer: { json: device },
      errors: ['NOT_FOUND', 'WRONG_STATE', ...STORED],
      handle: ({ caller, params, body }) => operations.revoke(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/remove',
      id: 'remove',
      summary: 'Removes a device with its history',
      role: 'admin',
      stepUp: true,
      params,
      body: contract.remove,
      answer: null,
      errors: ['NOT_FOUND', 'WRONG_STATE', ...STORED],
      handle: ({ caller, params, body }) => operations.remove(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/replace',
      id: 'replace',
      summary: 'Gives name, settings and history of a device to new hardware that waits, and revokes the old',
      role: 'admin',
      stepUp: true,
      params,
      body: contract.replace,
      answer: { json: device },
      errors: ['NOT_FOUND', 'WRONG_STATE', 'PROOF_CHANGED', 'PROOF_EXPIRED', 'KEY_DOES_NOT_FIT', 'WEAK_PSK', ...STORED],
      handle: ({ caller, params, body }) => operations.replace(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/block',
      id: 'block',
      summary: 'Drops a device silently, for 30 days or until the given time',
      role: 'admin',
      params,
      body: contract.block,
      answer: { json: device },
      errors: ['NOT_FOUND', 'WRONG_STATE', ...STORED],
      handle: ({ caller, params, body }) => operations.block(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/unblock',
      id: 'unblock',
      summary: 'Lets a blocked device knock again',
      role: 'admin',
      params,
      body: contract.unblock,
      answer: null,
      errors: ['NOT_FOUND', 'WRONG_STATE', ...STORED],
      handle: ({ caller, params, body }) => operations.unblock(caller.actor, params.id, body),
    }),
  ]
}

/** What needs the session of the device. */
function sessionRoutes(operations: Operations): Route[] {
  const SESSION = ['NOT_FOUND', 'DEVICE_OFFLINE', 'TOO_MANY', 'REQUEST_TIMEOUT', 'SESSION_LOST'] as const
  return [
    route({
      method: 'post',
      path: '/api/devices/{id}/ping',
      id: 'ping',
      summary: 'Measures a round trip inside the session',
      role: 'operator',
      params,
      answer: { json: contract.pingResult },
      errors: SESSION,
      handle: ({ caller, params }) => operations.ping(caller.actor, params.id),
    }),
    route({
      method: 'post',
      path: '/api/devices/{id}/requests',
      id: 'request',
      summary: 'Sends a request to a device and waits for its answer',
      role: 'operator',
      params,
      body: contract.request,
      answer: { json: contract.requestOutcome },
      errors: SESSION,
      handle: ({ caller, params, body }) => operations.request(caller.actor, params.id, body),
    }),
    route({
      method: 'get',
      path: '/api/devices/{id}/requests',
      id: 'requests',
      summary: 'The last requests to a device, with their outcome; for viewers without what was said',
      role: 'viewer',
      params,
      answer: { json: contract.requestHistory },
      errors: ['NOT_FOUND'],
      handle: ({ caller, params }) => ({
        requests: operations.requests(params.id).map((outcome) => outcomeFor(caller.actor.role, outcome)),
      }),
    }),
  ]
}

function telemetryRoutes(operations: Operations): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/devices/{id}/series',
      id: 'series',
      summary: 'The values of one reading over time',
      role: 'viewer',
      params,
      query: seriesQuery,
      answer: { json: series },
      errors: ['NOT_FOUND', 'STORE_FAILED'],
      handle: ({ params, query: { reading, ...options } }) => operations.series(params.id, reading, defined(options)),
    }),
    route({
      method: 'get',
      path: '/api/devices/{id}/export',
      id: 'exportSeries',
      summary: 'The values of one or all readings as a file in CSV or JSON',
      role: 'viewer',
      params,
      query: exportQuery,
      answer: { files: ['text/csv', 'application/json'] },
      errors: ['NOT_FOUND', 'STORE_FAILED'],
      handle: ({ params, query }) => exportSeries(operations, params.id, query),
    }),
  ]
}
