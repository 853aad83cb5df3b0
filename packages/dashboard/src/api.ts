import type * as contract from '@usmp/gateway/contract'
import { ask } from './http.js'

/** What a schema of the contract describes. */
type Of<S extends keyof typeof contract> = (typeof contract)[S] extends {
  readonly '~types'?: { readonly output: infer T } | undefined
}
  ? T
  : never

const device = (id: string, act = '') => `devices/${encodeURIComponent(id)}${act === '' ? '' : `/${act}`}`
const rollout = (id: string, act = '') => `rollouts/${encodeURIComponent(id)}${act === '' ? '' : `/${act}`}`

/** Every call of the HTTP API that the page makes. All throw Failure. */
export const api = {
  me: () => ask<Of<'whoAmI'>>('GET', 'me'),
  setup: (body: Of<'setup'>) => ask<Of<'whoAmI'>>('POST', 'setup', body),
  login: (body: Of<'login'>) => ask<Of<'whoAmI'>>('POST', 'login', body),
  logout: () => ask<void>('POST', 'logout'),
  logoutEverywhere: () => ask<void>('POST', 'logout-everywhere'),
  stepUp: (body: Of<'stepUp'>) => ask<Of<'whoAmI'>>('POST', 'step-up', body),
  changeOwnPassword: (body: Of<'changeOwnPassword'>) => ask<Of<'whoAmI'>>('POST', 'password', body),

  checkKey: (id: string, body: Of<'checkKey'>) => ask<Of<'keyCheck'>>('POST', device(id, 'check-key'), body),
  approve: (id: string, body: Of<'approve'>) => ask<Of<'device'>>('POST', device(id, 'approve'), body),
  register: (body: Of<'register'>) => ask<Of<'device'>>('POST', 'devices', body),
  importDevices: (body: Of<'importDevices'>) => ask<Of<'importResult'>>('POST', 'devices/import', body),
  change: (id: string, body: Of<'change'>) => ask<Of<'device'>>('PATCH', device(id), body),
  star: (id: string, starred: boolean) => ask<Of<'device'>>('POST', device(id, 'star'), { starred }),
  dismiss: (id: string) => ask<void>('POST', device(id, 'dismiss')),
  revoke: (id: string, body: Of<'revoke'>) => ask<Of<'device'>>('POST', device(id, 'revoke'), body),
  remove: (id: string, body: Of<'remove'>) => ask<void>('POST', device(id, 'remove'), body),
  block: (id: string, body: Of<'block'>) => ask<Of<'device'>>('POST', device(id, 'block'), body),
  unblock: (id: string, body: Of<'unblock'>) => ask<void>('POST', device(id, 'unblock'), body),
  replace: (id: string, body: Of<'replace'>) => ask<Of<'device'>>('POST', device(id, 'replace'), body),
  ping: (id: string) => ask<Of<'pingResult'>>('POST', device(id, 'ping')),
  request: (id: string, body: Of<'request'>) => ask<Of<'requestOutcome'>>('POST', device(id, 'requests'), body),
  requests: (id: string) => ask<Of<'requestHistory'>>('GET', device(id, 'requests')),
  series: (id: string, reading: string, resolution: Of<'resolution'>) =>
    ask<Of<'series'>>('GET', `${device(id, 'series')}?${new URLSearchParams({ reading, resolution })}`),

  openJoin: (body: Of<'openJoin'>) => ask<Of<'joinWindow'>>('POST', 'join', body),
  closeJoin: () => ask<Of<'joinWindow'>>('DELETE', 'join'),
  system: () => ask<Of<'systemInfo'>>('GET', 'system'),

  images: () => ask<Of<'imageList'>>('GET', 'images'),
  addImage: (bundle: Blob) => ask<Of<'image'>>('POST', 'images', bundle),
  removeImage: (id: string) => ask<void>('DELETE', `images/${encodeURIComponent(id)}`),
  rollouts: () => ask<Of<'rolloutList'>>('GET', 'rollouts'),
  rollout: (id: string) => ask<Of<'rolloutDetail'>>('GET', rollout(id)),
  startRollout: (body: Of<'startRollout'>) => ask<Of<'rollout'>>('POST', 'rollouts', body),
  pauseRollout: (id: string, body: Of<'pauseRollout'>) => ask<Of<'rollout'>>('POST', rollout(id, 'pause'), body),
  resumeRollout: (id: string, body: Of<'resumeRollout'>) => ask<Of<'rollout'>>('POST', rollout(id, 'resume'), body),
  abortRollout: (id: string, body: Of<'abortRollout'>) => ask<Of<'rollout'>>('POST', rollout(id, 'abort'), body),
  retryRollout: (id: string, body: Of<'retryRollout'>) => ask<Of<'rollout'>>('POST', rollout(id, 'retry'), body),

  brokerAcl: (broker: Of<'aclQuery'>['broker']) => ask<Of<'accessList'>>('GET', `acl?broker=${broker}`),

  audit: (query: Record<string, string>) => ask<Of<'auditPage'>>('GET', `audit?${new URLSearchParams(query)}`),
  verifyAudit: () => ask<Of<'auditVerdict'>>('GET', 'audit/verify'),

  users: () => ask<{ users: Of<'user'>[] }>('GET', 'users'),
  createUser: (body: Of<'createUser'>) => ask<Of<'user'>>('POST', 'users', body),
  changeUser: (name: string, body: Of<'changeUser'>) =>
    ask<Of<'user'>>('PATCH', `users/${encodeURIComponent(name)}`, body),
  removeUser: (name: string, rev: number) => ask<void>('DELETE', `users/${encodeURIComponent(name)}?rev=${rev}`),
  tokens: () => ask<{ tokens: Of<'apiToken'>[] }>('GET', 'tokens'),
  createToken: (body: Of<'createToken'>) => ask<Of<'createdToken'>>('POST', 'tokens', body),
  removeToken: (id: string) => ask<void>('DELETE', `tokens/${encodeURIComponent(id)}`),
}
