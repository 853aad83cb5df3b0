import { Random } from '@usmp/testing'
import { describe, expect, test, vi } from 'vitest'
import { OtaCode, type OtaDeviceOptions } from '../src/index.ts'
import { publisher } from './publisher.ts'
import { alice, hexOf, type Meeting, manifestFor, World } from './support/world.ts'

const image = new Random(5).bytes(5_000)
const bob = publisher(2)
const carol = publisher(3)

/** A device that has an image staged and is told to start it. */
async function applied(world: World, of = image, manifest = manifestFor(of)): Promise<Meeting> {
  const meeting = world.meet()
  await world.send(meeting, of, manifest)
  const restarts = world.restarts
  await world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(of) }))
  await world.until(() => world.restarts > restarts)
  meeting.link.cut()
  return meeting
}

/** The next start, in which the new image is on trial. */
async function trial(options: Partial<OtaDeviceOptions> = {}) {
  const world = new World()
  await world.boot()
  await applied(world)
  await world.boot({ version: '1.1.0', ...options })
  expect(world.device.state).toMatchObject({ state: 'pending', version: '1.1.0', sha256: hexOf(image), counter: 0 })
  return world
}

async function expectBack(world: World) {
  const before = world.restarts
  await world.until(() => world.restarts > before || before === 2)
  await world.boot()
  expect(world.slots.runningImage).toHaveLength(0)
  expect(world.device.state).toMatchObject({
    state: 'confirmed',
    version: '1.0.0',
    counter: 0,
    staged: null,
    rolledBack: hexOf(image),
  })
}

describe('a new image', () => {
  test('is confirmed by a session after its self-test, and not by one of them', async () => {
    let pass = (_: boolean) => {}
    const world = await trial({ selfTest: () => new Promise((resolve) => (pass = resolve)) })
    const meeting = world.meet()
    await world.pass(10_000)
    expect(world.device.state).toMatchObject({ state: 'pending', confirmWithin: 290_000 })
    meeting.link.cut()
    await world.pass(1_000)
    pass(true)
    await world.pass(1_000)
    expect(world.device.state.state).toBe('pending')
    const second = world.meet()
    await world.until(() => second.events.length > 0)
    expect(second.events).toEqual([{ type: 'confirmed', sha256: hexOf(image) }])
    expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 1, confirmWithin: null })
    // The deadline means nothing any more.
    await world.pass(600_000)
    expect(world.restarts).toBe(1)
    await world.boot({ version: '1.1.0' })
    expect(world.device.state).toMatchObject({ state: 'confirmed', sha256: hexOf(image), counter: 1 })
  })

  test('without a session goes back at its deadline', async () => {
    const world = await trial({ confirmWithin: 60_000 })
    await world.pass(59_000)
    expect(world.restarts).toBe(1)
    await world.pass(1_000)
    expect(world.restarts).toBe(2)
    await expectBack(world)
  })

  test.each<[string, () => boolean | Promise<boolean>]>([
    ['says no', () => false],
    [
      'throws',
      () => {
        throw new Error('no sensor')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no sensor'))],
  ])('whose self-test %s goes back at once, session or not', async (_, selfTest) => {
    const world = await trial({ selfTest })
    world.meet()
    await world.pass(1_000)
    expect(world.restarts).toBe(2)
    await expectBack(world)
  })

  test('whose self-test never ends goes back at its deadline', async () => {
    const world = await trial({ selfTest: () => new Promise(() => {}) })
    const meeting = world.meet()
    await world.pass(300_000)
    expect(world.restarts).toBe(2)
    expect(meeting.events).toEqual([])
    await expectBack(world)
  })

  test('that ends before it is confirmed is given up by the boot loader', async () => {
    const world = await trial()
    await world.boot()
    expect(world.device.state).toMatchObject({ rolledBack: hexOf(image), version: '1.0.0', counter: 0 })
    // It may come again, and what is told of the last time stays until one is confirmed.
    await applied(world)
    await world.boot({ version: '1.1.0' })
    expect(world.device.state).toMatchObject({ state: 'pending', rolledBack: hexOf(image) })
    const meeting = world.meet()
    await world.until(() => meeting.events.length > 0)
    expect(world.device.state).toMatchObject({ state: 'confirmed', rolledBack: null })
  })

  test('refuses other updates until it is confirmed', async () => {
    const world = await trial({ selfTest: () => new Promise(() => {}) })
    const meeting = world.meet()
    await expect(world.send(meeting, image)).rejects.toMatchObject({ code: 'REFUSED', deviceCode: OtaCode.BUSY })
    await expect(world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(image) }))).rejects.toMatchObject({
      code: OtaCode.NOT_STAGED,
    })
  })
})

describe('an image that came by another way', () => {
  /** Into the other slot by a cable, say; nobody has told the device. */
  async function byCable(world: World) {
    await world.slots.begin(image.length, 0)
    await world.slots.write(0, image)
    await world.slots.activate()
    await world.boot()
  }

  test('is on trial too, and confirming it changes no record', async () => {
    const world = new World({ selfTest: () => passed })
    let pass = (_: boolean) => {}
    let passed: boolean | Promise<boolean> = true
    await world.boot()
    passed = new Promise((resolve) => (pass = resolve))
    await byCable(world)
    expect(world.device.state).toMatchObject({ state: 'pending', sha256: '0'.repeat(64) })
    const meeting = world.meet()
    await expect(world.send(meeting, image)).rejects.toMatchObject({ deviceCode: OtaCode.BUSY })
    pass(true)
    await world.pass(100)
    expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 0, sha256: '0'.repeat(64) })
    expect(await world.slots.load()).toBeUndefined()
  })

  test('into the slot that runs, while another one is staged: the manifest of that is not confirmed with it', async () => {
    const world = new World()
    await world.boot()
    await world.send(world.meet(), image)
    const { running, other } = await world.slots.slots()
    vi.spyOn(world.slots, 'slots').mockResolvedValueOnce({ running: { ...running, state: 'pending' }, other })
    await world.boot()
    expect(world.device.state).toMatchObject({ state: 'pending', sha256: '0'.repeat(64) })
    const meeting = world.meet()
    await world.pass(100)
    expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 0, sha256: '0'.repeat(64) })
    expect(world.device.state.staged).toBe(hexOf(image))
    expect(meeting.events).toEqual([])
  })

  test('into the slot of a staged one: that is staged no more', async () => {
    const world = new World()
    await world.boot()
    await world.send(world.meet(), image)
    await world.slots.activate()
    await world.boot()
    expect(world.device.state.staged).toBeNull()
    const meeting = world.meet()
    await world.pass(100)
    await expect(world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(image) }))).rejects.toMatchObject({
      code: OtaCode.NOT_STAGED,
    })
  })
})

describe('a power cut between boot loader and record', () => {
  test('leaves a confirmed image: the next start takes the counter over', async () => {
    const changes: string[] = []
    const world = new World({
      slots: {
        onChange: (what) => {
          changes.push(what)
          if (what === 'store' && changes.at(-2) === 'confirm') throw new Error('the power is cut')
        },
      },
    })
    await world.boot()
    await applied(world)
    await world.boot({ version: '1.1.0' })
    world.meet()
    await world.until(() => changes.includes('confirm'))
    await world.boot({ version: '1.1.0' })
    expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 1, sha256: hexOf(image) })
  })
})

describe('the counter and the keys', () => {
  test('change on confirmation and not before', async () => {
    const world = new World()
    await world.boot()
    const manifest = manifestFor(image, { counter: 7, nextKey: bob.publicKey })
    await applied(world, image, manifest)
    await world.boot({ version: '1.1.0' })
    expect(world.device.state).toMatchObject({ counter: 0, keys: [alice.keyId] })
    const meeting = world.meet()
    await world.until(() => meeting.events.length > 0)
    expect(world.device.state).toMatchObject({ counter: 7, keys: [alice.keyId, bob.keyId] })
    // An older one, signed by the right key, is refused from now on.
    await expect(world.send(meeting, image, manifestFor(image, { counter: 6 }))).rejects.toMatchObject({
      deviceCode: OtaCode.DOWNGRADE,
    })
  })

  test('rotate in the midst of a roll-out: by the old key to the new, which then revokes the old', async () => {
    const world = new World()
    await world.boot()
    const second = new Random(6).bytes(3_000)
    const third = new Random(7).bytes(3_000)
    await applied(world, image, manifestFor(image, { nextKey: bob.publicKey }))
    await world.boot({ version: '1.1.0' })
    await world.until(() => world.device.state.state === 'confirmed' || !world.meet())
    const revoking = manifestFor(second, { revokedKeys: [alice.keyId], nextKey: carol.publicKey }, bob)
    await applied(world, second, revoking)
    await world.boot({ version: '1.1.0' })
    const meeting = world.meet()
    await world.until(() => meeting.events.length > 0)
    expect(world.device.state.keys).toEqual([bob.keyId, carol.keyId])
    await expect(world.send(meeting, third, manifestFor(third))).rejects.toMatchObject({
      deviceCode: OtaCode.REVOKED_KEY,
    })
    await world.send(meeting, third, manifestFor(third, {}, carol))
    expect(world.device.state.staged).toBe(hexOf(third))
  })
})
