import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbeddedBroker } from '@usmp/mqtt/embedded-broker'
import { ByteRate, keyIdOf, OtaCode } from '@usmp/ota'
import * as v from 'valibot'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type LiveMessage, liveMessage } from '../../src/contract/live.js'
import { rolloutDetail } from '../../src/contract/rollouts.js'
import { connectOverMqtt } from '../../src/simulator.js'
import { ADMIN, codeOf, OPERATOR, VIEWER } from '../support/gateway.js'
import { bundle, eventually, PUBLISHER, publisher, Site } from './site.js'

test('an image goes to the canary, waits for a person, and then to all in waves', async () => {
  const site = await Site.open({ publisherKeys: [PUBLISHER.key] })
  const { gateway } = site
  const ids = await site.sensors(1, 4)
  const messages = follow(site)
  const image = await site.upload(bundle('1.1.0'))
  expect(image).toMatchObject({ version: '1.1.0', verified: true, keyId: keyIdOf(PUBLISHER.key), addedBy: 'ada' })
  const { id } = await site.begin(image, { pauseAfterCanary: true, waves: [50, 100], soak: 100 })
  const paused = await site.untilState(id, 'paused')
  expect(paused).toMatchObject({ stage: 1, reason: 'the canary is through: look at it, then continue' })
  expect(paused.counts).toMatchObject({ done: 1, targeted: 3 })
  expect(site.versions(ids).filter((version) => version === '1.1.0')).toHaveLength(1)
  await gateway.resumeRollout(ADMIN, id, { rev: paused.rev })
  const done = await site.untilState(id, 'done')
  expect(done.counts).toMatchObject({ done: 4, failed: 0 })
  await eventually(() => site.versions(ids).every((version) => version === '1.1.0'))
  const detail = gateway.rollout(id)
  expect(v.is(rolloutDetail, detail)).toBe(true)
  expect(detail.devices.map(({ stage }) => stage)).toEqual([0, 1, 2, 2])
  expect(detail.devices.every(({ offset }) => offset === image.size)).toBe(true)
  expect(gateway.device(ids[0]!).updates).toMatchObject({ rollout: id, counter: 1, state: 'confirmed' })

  // One that comes when all is over gets it, too.
  const [late] = await site.sensors(20, 1)
  await site.untilRow(id, late!, 'done')

  await eventually(() => messages.some(({ type }) => type === 'rolloutDevices'))
  for (const message of messages) expect(v.is(liveMessage, message), JSON.stringify(message)).toBe(true)
  const states = () => messages.flatMap((message) => (message.type === 'rollout' ? [message.rollout.state] : []))
  await eventually(() => states().at(-1) === 'done')
  const audit = (await site.store.audit.page({ limit: 100, object: id })).map(
    ({ action, actor }) => `${action} ${actor}`,
  )
  expect(audit.reverse()).toEqual([
    'rollout.start ada',
    'rollout.soaking gateway',
    'rollout.paused gateway',
    'rollout.resume ada',
    'rollout.soaking gateway',
    'rollout.wave gateway',
    'rollout.soaking gateway',
    'rollout.done gateway',
  ])
})

test('all bytes of images go through one rate, which all devices share', async () => {
  const take = vi.spyOn(ByteRate.prototype, 'take')
  onTestFinished(() => take.mockRestore())
  const site = await Site.open({ updateRate: 1_000_000 })
  await site.sensors(1, 2)
  const image = await site.upload(bundle('1.1.0', 'good', { size: 20_000 }))
  const { id } = await site.begin(image, { canary: 0, waves: [100], maxParallel: 2, soak: 0 })
  await site.untilState(id, 'done')
  expect(new Set(take.mock.contexts).size).toBe(1)
  const taken = take.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0)
  expect(taken).toBeGreaterThanOrEqual(2 * image.size)
  await expect(Site.open({ updateRate: 100 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('over a broker, two at once and one group of them', async () => {
  const broker = await startEmbeddedBroker({ site: 'home', port: 0 })
  onTestFinished(() => broker.close())
  const way = connectOverMqtt({ broker: { url: broker.url }, site: 'home' })
  onTestFinished(() => way.close())
  const site = await Site.open({ mqtt: broker.gateway }, way)
  const ids = await site.sensors(1, 3)
  const [first, second, third] = ids as [string, string, string]
  for (const id of [first, second]) {
    await site.gateway.change(OPERATOR, id, { rev: site.gateway.device(id).rev, group: 'cellar' })
  }
  const image = await site.upload(bundle('2.0.0', 'good', { size: 60_000 }))
  expect(image.verified).toBe(false)
  const { id } = await site.begin(image, { canary: 2 }, { kind: 'group', group: 'cellar' })
  await site.untilState(id, 'done')
  expect(site.gateway.rollout(id).devices.map((device) => device.id)).toEqual([first, second])
  await eventually(() => site.versions([first, second]).every((version) => version === '2.0.0'))
  expect(site.versions([third])).toEqual(['1.0.0'])
  // Who comes into the group later joins.
  await site.gateway.change(OPERATOR, third, { rev: site.gateway.device(third).rev, group: 'cellar' })
  await site.untilRow(id, third, 'done')
})

describe('a canary that is bad', () => {
  test.each([
    ['crashes', 'rolled-back', /too many failures in the canary: 0 failed, 1 went back/],
    ['wrong-version', 'failed', /no device of the canary has taken the image/],
  ] as const)('%s: is %s, and the roll-out pauses', async (behaviour, state, reason) => {
    const site = await Site.open()
    const ids = await site.sensors(1, 3)
    const { id } = await site.begin(await site.upload(bundle('1.1.0', behaviour)))
    const paused = await site.untilState(id, 'paused')
    expect(paused.reason).toMatch(reason)
    const { devices } = site.gateway.rollout(id)
    expect(devices.filter((device) => device.state === state)).toHaveLength(1)
    expect(devices.filter((device) => device.state === 'targeted')).toHaveLength(2)
    // The way back is a roll-out of its own, with an image that is signed like any other.
    await site.gateway.abortRollout(OPERATOR, id, { rev: paused.rev, reason: 'bad' })
    const next = await site.begin(await site.upload(bundle('1.1.1')))
    await site.untilState(next.id, 'done')
    await eventually(() => site.versions(ids).every((version) => version === '1.1.1'))
  })

  test('one that trusts another publisher refuses, and nothing is erased', async () => {
    const site = await Site.open()
    const [id] = await site.sensors(1, 1, { keys: [publisher(9).key] })
    const rollout = await site.begin(await site.upload(bundle('1.1.0')))
    expect(await site.untilRow(rollout.id, id!, 'failed')).toMatchObject({ code: OtaCode.UNKNOWN_KEY, attempts: 1 })
    expect(site.events.some(({ type }) => type === 'restart')).toBe(false)
  })
})

test('the key of the publisher changes in the midst of it: the image between is signed by the old one', async () => {
  const next = publisher(8)
  const site = await Site.open({ publisherKeys: [PUBLISHER.key, next.key] })
  const ids = await site.sensors(1, 2)
  const between = await site.upload(bundle('1.1.0', 'good', { nextKey: next.key }))
  const first = await site.begin(between, {}, { kind: 'devices', ids: [ids[0]!] })
  await site.untilState(first.id, 'done')
  await eventually(() => site.gateway.device(ids[0]!).updates?.keys.length === 2)
  const after = await site.upload(
    bundle('1.2.0', 'good', { by: next, counter: 2, revokedKeys: [keyIdOf(PUBLISHER.key)] }),
  )
  const second = await site.begin(after, { canary: 0 })
  await site.untilRow(second.id, ids[0]!, 'done')
  // One that has not had the image between does not know the new key yet.
  expect(await site.untilRow(second.id, ids[1]!, 'failed')).toMatchObject({ code: OtaCode.UNKNOWN_KEY })
  await eventually(() => site.gateway.device(ids[0]!).updates?.keys.join() === keyIdOf(next.key))
  const { rev } = site.rollout(second.id)
  await site.gateway.abortRollout(ADMIN, second.id, { rev })
  const third = await site.begin(between, { canary: 0 }, { kind: 'devices', ids: [ids[1]!] })
  await site.untilState(third.id, 'done')
  const fourth = await site.begin(after, { canary: 0 })
  await site.untilState(fourth.id, 'done')
  await eventually(() => site.versions(ids).every((version) => version === '1.2.0'))
})

test('a replayed image, older than the counter of the devices, is refused by each of them', async () => {
  const site = await Site.open()
  const ids = await site.sensors(1, 2, { counter: 5 })
  const { id } = await site.begin(await site.upload(bundle('0.9.0')), { canary: 0 })
  const paused = await site.untilState(id, 'paused')
  expect(paused.reason).toMatch(/too many failures in wave 1: 2 failed/)
  for (const device of ids) expect(site.row(id, device)).toMatchObject({ code: OtaCode.DOWNGRADE })
})

describe('the file of an image', () => {
  test('that was changed is noticed before a device gets it; uploading it again repairs it', async () => {
    const site = await Site.open()
    const ids = await site.sensors(1, 2)
    const bytes = bundle('1.1.0', 'good', { size: 50_000 })
    const image = await site.upload(bytes)
    const path = join(site.folder, `${image.id}.uota`)
    const file = await readFile(path)
    file[30_000]! ^= 1
    await writeFile(path, file)
    const { id } = await site.begin(image)
    const paused = await site.untilState(id, 'paused')
    expect(paused.reason).toMatch(/^the image cannot be used: the SHA-256 of the image is not that of its manifest/)
    expect(paused.counts).toMatchObject({ failed: 0, targeted: 2 })
    expect((await site.upload(bytes)).id).toBe(image.id)
    await site.gateway.resumeRollout(ADMIN, id, { rev: paused.rev })
    await site.untilState(id, 'done')
    await eventually(() => site.versions(ids).every((version) => version === '1.1.0'))
  })

  test('that is gone, too; a manifest that was changed, too', async () => {
    const site = await Site.open()
    await site.sensors(1, 1)
    const image = await site.upload(bundle('1.1.0'))
    const path = join(site.folder, `${image.id}.uota`)
    const file = await readFile(path)
    file[50]! ^= 1
    await writeFile(path, file)
    const { id } = await site.begin(image)
    expect((await site.untilState(id, 'paused')).reason).toMatch(/is not the image that it was/)
  })
})

test('an abort amid a transfer: the device keeps what it runs, and gets nothing more', async () => {
  const site = await Site.open()
  const [device] = await site.sensors(1, 1)
  const image = await site.upload(bundle('1.1.0', 'good', { size: 8_000_000 }))
  const { id } = await site.begin(image, { canary: 1 })
  await site.untilRow(id, device!, 'transferring')
  await eventually(() => (site.row(id, device!)?.offset ?? 0) > 0)
  expect(await codeOf(site.gateway.abortRollout(VIEWER, id, { rev: site.rollout(id).rev }))).toBe('FORBIDDEN')
  const aborted = await site.gateway.abortRollout(OPERATOR, id, { rev: site.rollout(id).rev })
  expect(aborted).toMatchObject({ state: 'aborted', reason: 'aborted by otto' })
  await eventually(() => site.row(id, device!)?.state === 'targeted')
  const other = await site.begin(await site.upload(bundle('1.2.0')))
  await site.untilState(other.id, 'done')
  expect(site.versions([device!])).toEqual(['1.2.0'])
  expect(site.events.filter(({ type }) => type === 'restart')).toHaveLength(1)
})

test('one that begins in the moment in which another is aborted gets the devices whose transfers that has', async () => {
  const site = await Site.open()
  const ids = await site.sensors(1, 2)
  const { id } = await site.begin(await site.upload(bundle('1.1.0', 'good', { size: 8_000_000 })), { canary: 2 })
  for (const device of ids) await eventually(() => (site.row(id, device)?.offset ?? 0) > 0)
  const next = await site.upload(bundle('1.2.0'))
  const [, other] = await Promise.all([
    site.gateway.abortRollout(OPERATOR, id, { rev: site.rollout(id).rev }),
    site.begin(next, { canary: 2 }),
  ])
  await site.untilState(other.id, 'done')
  for (const device of ids) expect(site.row(other.id, device)).toMatchObject({ state: 'done', attempts: 0 })
})

test('one that replaces another takes a late device from it, and its transfer ends', async () => {
  const site = await Site.open()
  const [first] = await site.sensors(1, 1)
  const { id } = await site.begin(await site.upload(bundle('1.1.0', 'good', { size: 8_000_000 })))
  await site.untilState(id, 'done')
  const [late] = await site.sensors(2, 1)
  await eventually(() => (site.row(id, late!)?.offset ?? 0) > 0)
  const other = await site.begin(await site.upload(bundle('1.2.0')), { canary: 2 })
  await site.untilState(other.id, 'done')
  for (const device of [first, late]) expect(site.row(other.id, device!)).toMatchObject({ state: 'done', attempts: 0 })
})

test('what cannot be: two at once for the same devices, an image that is used, devices without updates', async () => {
  const site = await Site.open()
  const { gateway } = site
  const [plain] = await site.sensors(1, 1, null)
  expect(gateway.device(plain!).updates).toBeNull()
  const image = await site.upload(bundle('1.1.0'))
  expect(await codeOf(gateway.startRollout(OPERATOR, { image: image.id, target: { kind: 'all' } }))).toBe('FORBIDDEN')
  expect(await codeOf(site.begin(image, { waves: [50, 20, 100] }))).toBe('INVALID')
  expect(await codeOf(site.begin(image, { waves: [50] }))).toBe('INVALID')
  expect(await codeOf(site.begin({ ...image, id: 'ff'.repeat(32) }))).toBe('NOT_FOUND')
  const { id, rev } = await site.begin(image)
  expect(site.row(id, plain!)).toMatchObject({ state: 'skipped', code: 'NO_UPDATES' })
  const other = await site.upload(bundle('1.2.0'))
  expect(await codeOf(site.begin(other))).toBe('WRONG_STATE')
  expect(await codeOf(gateway.removeImage(ADMIN, image.id))).toBe('WRONG_STATE')
  expect(await codeOf(gateway.resumeRollout(ADMIN, id, { rev }))).toBe('WRONG_STATE')
  expect(await codeOf(gateway.retryRollout(ADMIN, id, { rev }))).toBe('WRONG_STATE')
  expect(await codeOf(gateway.pauseRollout(OPERATOR, id, { rev: rev + 9 }))).toBe('CONFLICT')
  const paused = await gateway.pauseRollout(OPERATOR, id, { rev, reason: 'the fair' })
  expect(paused).toMatchObject({ state: 'paused', reason: 'the fair' })
  await gateway.abortRollout(OPERATOR, id, { rev: paused.rev })
  expect(await codeOf(gateway.abortRollout(OPERATOR, id, { rev: paused.rev + 1 }))).toBe('WRONG_STATE')
  await gateway.removeImage(ADMIN, image.id)
  expect(gateway.images().map((each) => each.id)).toEqual([other.id])
})

test('a device that is tried again by a person', async () => {
  const site = await Site.open()
  let isReady = false
  const ids = await site.sensors(1, 1, { mayUpdate: () => isReady })
  const { id } = await site.begin(await site.upload(bundle('1.1.0')))
  await eventually(() => (site.row(id, ids[0]!)?.attempts ?? 0) > 0)
  expect(site.row(id, ids[0]!)).toMatchObject({ state: 'targeted', code: OtaCode.NOT_NOW })
  expect(site.row(id, ids[0]!)!.retryAt).toBeGreaterThan(Date.now())
  isReady = true
  await site.gateway.retryRollout(ADMIN, id, { rev: site.rollout(id).rev, ids })
  await site.untilState(id, 'done')
  expect(site.versions(ids)).toEqual(['1.1.0'])
})

/** Reads the live feed. */
function follow({ gateway }: Site): LiveMessage[] {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const messages: LiveMessage[] = []
  void (async () => {
    for await (const message of gateway.live(stop.signal)) messages.push(message)
  })()
  return messages
}
