import { cp } from 'node:fs/promises'
import { deriveDevicePsk } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { turns, until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../src/store/open.js'
import {
  ADMIN,
  approved,
  codeOf,
  connectDevice,
  deviceNumber,
  knock,
  newKey,
  OPERATOR,
  pass,
  serve,
  testGateway,
  untilState,
} from '../support/gateway.js'
import { temporaryFolder } from '../support/temporary-store.js'

async function openIn(folder: string) {
  const store = await openStore(folder)
  onTestFinished(() => store.close())
  return store
}

test('a gateway that is killed between approvals: each device is approved or unknown, and comes in by its key or knocks', async () => {
  const [folder, copy] = [await temporaryFolder(), await temporaryFolder()]
  const store = await openIn(folder)
  const first = await testGateway({ store })
  const devices = Array.from({ length: 12 }, (_, n) => ({ id: deviceNumber(n), key: newKey() }))
  await first.gateway.openJoin(OPERATOR, { minutes: 5 })
  for (const { id, key } of devices) await knock(first.gateway, id, key.psk)
  await untilState(first.gateway, devices.at(-1)!.id, 'waiting')
  const approve = async ({ id, key }: (typeof devices)[number]) => {
    const { proofId } = first.gateway.device(id).knock!
    await first.gateway.approve(OPERATOR, id, { proofId, psk: key.hex })
  }
  const certain = devices.slice(0, 6)
  await Promise.all(certain.map(approve))
  // What is on the disk when approvals are acknowledged is what a kill leaves; store-crash.test.ts kills at every write.
  await cp(folder, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
  await Promise.all(devices.slice(6).map(approve))
  const second = await testGateway({ store: await openIn(copy) })
  const known = second.gateway.devices()
  expect(known.map(({ id }) => id)).toEqual(certain.map(({ id }) => id))
  for (const device of known) expect(device).toMatchObject({ state: 'approved', session: null, knock: null })
  expect(second.gateway.joinWindow().open).toBe(false)
  for (const { id, key } of devices) {
    if (known.some((device) => device.id === id)) await connectDevice(second.gateway, id, key.psk)
    else await knock(second.gateway, id, key.psk)
  }
  await until(() => second.gateway.devices().every(({ state }) => state === 'online'))
})

test('after a restart devices are offline until they are heard, with all that was known of them', async () => {
  const store = await openIn(await temporaryFolder())
  const masterKey = nodeRandom(32)
  const first = await testGateway({ store, masterKey })
  const [seen, never, master, revoked] = [1, 2, 3, 4].map(deviceNumber) as [string, string, string, string]
  const [key, revokedKey] = [newKey(), newKey()]
  await approved(first.gateway, seen, key, 'Hall')
  const session = await connectDevice(first.gateway, seen, key.psk)
  const peer = serve(session)
  await untilState(first.gateway, seen, 'online')
  await peer.notify('telemetry', { values: { t: 20 } })
  await until(() => first.gateway.device(seen).readings.t !== undefined)
  await first.gateway.register(OPERATOR, { id: never, psk: newKey().hex })
  await first.gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(first.gateway, master, deriveDevicePsk(masterKey, master))
  const { knock: row } = await untilState(first.gateway, master, 'waiting')
  await first.gateway.approve(OPERATOR, master, { proofId: row!.proofId })
  const { rev } = await approved(first.gateway, revoked, revokedKey)
  await first.gateway.revoke(ADMIN, revoked, { rev })
  const before = first.gateway.device(seen)
  await first.gateway.close()
  expect((await session.closed).code).toBe('CLOSED')
  await pass(first, 60_000)

  const warnings: string[] = []
  const second = await testGateway({ store, onWarning: (message) => void warnings.push(message) })
  expect(warnings).toEqual([expect.stringContaining('1 devices were approved by a master key')])
  const states = Object.fromEntries(second.gateway.devices().map(({ id, state }) => [id, state]))
  expect(states).toEqual({ [seen]: 'offline', [never]: 'approved', [master]: 'approved', [revoked]: 'revoked' })
  expect(second.gateway.device(seen)).toMatchObject({ name: 'Hall', lastSeenAt: before.lastSeenAt })
  const { mean } = await second.gateway.series(seen, 't', { resolution: 'minute' })
  expect(mean).toEqual([20])
  await knock(second.gateway, master, deriveDevicePsk(masterKey, master))
  await knock(second.gateway, revoked, revokedKey.psk)
  await connectDevice(second.gateway, seen, key.psk)
  await untilState(second.gateway, seen, 'online')
  await turns()
  expect(second.gateway.device(revoked).state).toBe('revoked')
})

test('a request has an outcome in any case; what cannot be sent is refused', async () => {
  const { gateway } = await testGateway()
  const id = deviceNumber(1)
  const key = newKey()
  await approved(gateway, id, key)
  expect(await codeOf(gateway.request(OPERATOR, id, { method: 'stop' }))).toBe('DEVICE_OFFLINE')
  expect(await codeOf(gateway.ping(OPERATOR, id))).toBe('DEVICE_OFFLINE')
  expect(gateway.requests(id)).toEqual([])
  const session = await connectDevice(gateway, id, key.psk)
  serve(session, { methods: ['describe'] })
  await untilState(gateway, id, 'online')
  expect(await codeOf(gateway.request(OPERATOR, id, { method: '$/cancel' }))).toBe('INVALID')
  const long = { text: 'x'.repeat(8 * 1024) }
  expect(await codeOf(gateway.request(OPERATOR, id, { method: 'echo', params: long }))).toBe('INVALID')
  for (let n = 0; n < 60; n++) await gateway.request(OPERATOR, id, { method: 'describe' })
  expect(await gateway.request(OPERATOR, id, { method: 'nothing' })).toMatchObject({ error: { code: -32601 } })
  expect(gateway.requests(id)).toHaveLength(50)
  expect(gateway.requests(id)[0]).toMatchObject({ method: 'nothing', by: OPERATOR.name })
})
