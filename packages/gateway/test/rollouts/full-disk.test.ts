import { expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.js'
import type { Registry } from '../../src/store/registry.js'
import type { Store } from '../../src/store/store.js'
import { ADMIN, codeOf } from '../support/gateway.js'
import { temporaryStore } from '../support/temporary-store.js'
import { bundle, eventually, Site } from './site.js'

/** A registry whose disk is full while `isFull` says so. */
function onDisk<T>(registry: Registry<T>, isFull: () => boolean): Registry<T> {
  const check = () => {
    if (isFull()) throw new GatewayError('STORE_FAILED', 'the disk is full', { hint: 'Make room.' })
  }
  return {
    get: (id) => registry.get(id),
    list: () => registry.list(),
    watch: (signal) => registry.watch(signal),
    cas: async (...args) => {
      check()
      return registry.cas(...args)
    },
    casAll: async (...args) => {
      check()
      return registry.casAll(...args)
    },
  }
}

test('a disk that is full holds a roll-out up, with the reason; with room it goes on, and nothing is lost', async () => {
  const real = await temporaryStore()
  let isFull = false
  const { devices, users, tokens, logins, images, audit, telemetry, keys } = real
  const store: Store = {
    ...{ devices, users, tokens, logins, images, audit, telemetry, keys },
    rollouts: onDisk(real.rollouts, () => isFull),
    rolloutDevices: onDisk(real.rolloutDevices, () => isFull),
    onState: (listener) => real.onState(listener),
    close: () => real.close(),
  }
  const site = await Site.open({ store })
  const ids = await site.sensors(1, 2)
  const image = await site.upload(bundle('1.1.0'))
  const { id } = await site.begin(image, { pauseAfterCanary: true })
  const atRest = await site.untilState(id, 'paused')
  isFull = true
  // A command that cannot be written is refused, and changes nothing.
  expect(await codeOf(site.gateway.resumeRollout(ADMIN, id, { rev: atRest.rev }))).toBe('STORE_FAILED')
  expect(site.rollout(id).reason).toBe(atRest.reason)
  isFull = false
  await site.gateway.resumeRollout(ADMIN, id, { rev: atRest.rev })
  isFull = true
  await eventually(() => site.rollout(id).reason !== null)
  expect(site.rollout(id)).toMatchObject({
    state: 'paused',
    reason: 'the gateway cannot write what it does: the disk is full',
  })
  expect(site.gateway.rollout(id).devices.filter(({ state }) => state === 'done')).toHaveLength(1)
  isFull = false
  await site.untilState(id, 'done')
  await eventually(() => site.versions(ids).every((version) => version === '1.1.0'))
})

test('a roll-out that could not be begun does not begin at the next start', async () => {
  const real = await temporaryStore()
  let writes = Number.POSITIVE_INFINITY
  const { devices, users, tokens, logins, images, audit, telemetry, keys, rolloutDevices } = real
  const store: Store = {
    ...{ devices, users, tokens, logins, images, audit, telemetry, keys, rolloutDevices },
    rollouts: onDisk(real.rollouts, () => writes-- <= 0),
    onState: (listener) => real.onState(listener),
    close: () => real.close(),
  }
  const site = await Site.open({ store })
  await site.sensors(1, 1)
  const { id } = await site.begin(await site.upload(bundle('1.1.0')))
  await site.untilState(id, 'done')
  const next = await site.upload(bundle('1.2.0'))
  writes = 1
  expect(await codeOf(site.begin(next))).toBe('STORE_FAILED')
  expect((await real.rollouts.list()).map((entry) => entry.id)).toEqual([id])
})
