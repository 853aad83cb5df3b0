import * as v from 'valibot'
import * as contract from '../../contract/rollouts.js'
import type { Operations } from '../../operations.js'
import { type Route, route } from '../route.js'

const STORED = ['CONFLICT', 'STORE_FAILED'] as const
const imageParams = v.object({ id: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'must be the id of an image')) })
const params = v.object({ id: v.pipe(v.string(), v.regex(/^[\w-]{1,32}$/, 'must be the id of a roll-out')) })

/** Images and their roll-outs. Whoever starts one is an admin; an operator may hold it up. */
export function rolloutRoutes(operations: Operations): Route[] {
  return [
    ...imageRoutes(operations),
    route({
      method: 'get',
      path: '/api/rollouts',
      id: 'rollouts',
      summary: 'All roll-outs, newest first',
      role: 'viewer',
      answer: { json: contract.rolloutList },
      handle: () => ({ rollouts: operations.rollouts() }),
    }),
    route({
      method: 'get',
      path: '/api/rollouts/{id}',
      id: 'rollout',
      summary: 'One roll-out with its devices',
      role: 'viewer',
      params,
      answer: { json: contract.rolloutDetail },
      errors: ['NOT_FOUND'],
      handle: ({ params }) => operations.rollout(params.id),
    }),
    route({
      method: 'post',
      path: '/api/rollouts',
      id: 'startRollout',
      summary: 'Begins a roll-out of an image',
      role: 'admin',
      stepUp: true,
      body: contract.startRollout,
      answer: { json: contract.rollout },
      errors: ['NOT_FOUND', 'WRONG_STATE', 'STORE_FAILED'],
      handle: ({ caller, body }) => operations.startRollout(caller.actor, body),
    }),
    ...commandRoutes(operations),
  ]
}

function imageRoutes(operations: Operations): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/images',
      id: 'images',
      summary: 'The signed images that the gateway keeps, newest first',
      role: 'viewer',
      answer: { json: contract.imageList },
      handle: () => ({ images: operations.images() }),
    }),
    route({
      method: 'post',
      path: '/api/images',
      id: 'addImage',
      summary: 'Takes a bundle as `usmp ota sign` writes it: the signed manifest, and the image behind it',
      role: 'admin',
      upload: 'application/octet-stream',
      maxBody: contract.MAX_BUNDLE,
      answer: { json: contract.image },
      errors: ['WRONG_STATE', 'STORE_FAILED'],
      handle: ({ caller, upload }) => operations.addImage(caller.actor, upload),
    }),
    route({
      method: 'delete',
      path: '/api/images/{id}',
      id: 'removeImage',
      summary: 'Removes an image that no roll-out uses',
      role: 'admin',
      params: imageParams,
      answer: null,
      errors: ['NOT_FOUND', 'WRONG_STATE', 'STORE_FAILED'],
      handle: ({ caller, params }) => operations.removeImage(caller.actor, params.id),
    }),
  ]
}

/** What people do with a roll-out that runs. */
function commandRoutes(operations: Operations): Route[] {
  const errors = ['NOT_FOUND', 'WRONG_STATE', ...STORED] as const
  return [
    route({
      method: 'post',
      path: '/api/rollouts/{id}/pause',
      id: 'pauseRollout',
      summary: 'Offers the image to nobody until somebody goes on; transfers stop and keep what they have',
      role: 'operator',
      params,
      body: contract.pauseRollout,
      answer: { json: contract.rollout },
      errors,
      handle: ({ caller, params, body }) => operations.pauseRollout(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/rollouts/{id}/resume',
      id: 'resumeRollout',
      summary: 'Goes on with a roll-out that is paused',
      role: 'admin',
      stepUp: true,
      params,
      body: contract.resumeRollout,
      answer: { json: contract.rollout },
      errors,
      handle: ({ caller, params, body }) => operations.resumeRollout(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/rollouts/{id}/abort',
      id: 'abortRollout',
      summary: 'Ends a roll-out; devices that restart into the image already are not called back',
      role: 'operator',
      params,
      body: contract.abortRollout,
      answer: { json: contract.rollout },
      errors,
      handle: ({ caller, params, body }) => operations.abortRollout(caller.actor, params.id, body),
    }),
    route({
      method: 'post',
      path: '/api/rollouts/{id}/retry',
      id: 'retryRollout',
      summary: 'Tries devices that failed once more, all or those that are named',
      role: 'admin',
      params,
      body: contract.retryRollout,
      answer: { json: contract.rollout },
      errors,
      handle: ({ caller, params, body }) => operations.retryRollout(caller.actor, params.id, body),
    }),
  ]
}
