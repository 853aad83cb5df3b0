import { turns, until } from '@usmp/testing'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.js'
import type { Registry } from '../../src/store/registry.js'
import type { Store } from '../../src/store/store.js'
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
import { temporaryStore } from '../support/temporary-store.js'

const ID = deviceNumber(1)
const DAY = 86_400_000

/** A store whose writes of devices a test holds up, or lets fail. */
async function heldStore() {
  const real = await temporaryStore()
  const held = { release: () => {}, fail: false, waits: false }
  let gate: Promise<void> | undefined
  const hold = () => {
    gate = new Promise((resolve) => (held.release = resolve))
  }
  const devices: Registry<never> = new Proxy(real.devices, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target)
      if (name !== 'casAll') return typeof value === 'function' ? value.bind(target) : value
      return async (...call: Parameters<typeof target.casAll>) => {
        held.waits = gate !== undefined
        await gate
        if (held.fail) throw new GatewayError('STORE_FAILED', 'the disk is full')
        return target.casAll(...call)
      }
    },
  }) as never
  const store: Store = new Proxy(real, {
    get: (target, name) => {
      const value = name === 'devices' ? devices : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { store, real, held, hold }
}

async function online(store?: Store) {
  const made = await testGateway(store ? { store } : {})
  const { gateway } = made
  const key = newKey()
  await approved(gateway, ID, key, 'Hall')
  const session = await connectDevice(gateway, ID, key.psk)
  const peer = serve(session)
  await untilState(gateway, ID, 'online')
  return { ...made, made, key, session, peer }
}

test('a revoked device is out at once, also while the store is busy, and nothing more is taken from it', async () => {
  const { store, held, hold } = await heldStore()
  const { gateway, session, peer, key } = await online(store)
  await peer.notify('telemetry', { values: { n: 1 } })
  await until(() => gateway.device(ID).readings.n !== undefined)
  hold()
  const revoked = gateway.revoke(ADMIN, ID, { rev: gateway.device(ID).rev })
  expect((await session.closed).code).toBe('CLOSED')
  expect(held.waits).toBe(true)
  expect(gateway.device(ID).session).toBeNull()
  await knock(gateway, ID, key.psk)
  held.release()
  expect(await revoked).toMatchObject({ state: 'revoked', readings: { n: { value: 1 } } })
})

test('attempts of a revoked device are counted from its revocation, and are no wrong keys of before', async () => {
  const { gateway, key } = await online()
  await knock(gateway, ID, newKey().psk)
  await until(() => gateway.device(ID).attempts?.count === 1)
  const revoked = await gateway.revoke(ADMIN, ID, { rev: gateway.device(ID).rev })
  expect(revoked.attempts).toBeNull()
  await knock(gateway, ID, key.psk)
  await until(() => gateway.device(ID).attempts?.count === 1)
})

test.each(['revoke', 'block', 'remove'] as const)(
  'a device that the store cannot %s is kept out all the same, until that is written',
  async (command) => {
    const { store, real, held } = await heldStore()
    const { gateway, key, session } = await online(store)
    held.fail = true
    const { rev } = gateway.device(ID)
    const refused = await gateway[command](ADMIN, ID, { rev }).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'STORE_FAILED',
      message: 'The device is kept out, but only until a restart: the disk is full',
      hint: expect.stringContaining('repeat this command'),
    })
    expect((await session.closed).code).toBe('CLOSED')
    expect((await real.devices.get(ID))!.value.state).toBe('approved')
    expect((await real.audit.page({ limit: 1 }))[0]).toMatchObject({ result: 'STORE_FAILED' })
    await knock(gateway, ID, key.psk)
    expect(gateway.device(ID)).toMatchObject({ state: 'blocked', blockedUntil: null, session: null })
    held.fail = false
    await gateway.change(OPERATOR, ID, { rev, name: 'Attic' })
    await knock(gateway, ID, key.psk)
    await gateway[command](ADMIN, ID, { rev: gateway.device(ID).rev })
    const state = gateway.devices().find(({ id }) => id === ID)?.state
    expect(state).toBe({ revoke: 'revoked', block: 'blocked', remove: undefined }[command])
    await knock(gateway, ID, key.psk)
  },
)

test('a device that is kept out without a word in the store comes back when somebody unblocks it', async () => {
  const { store, held } = await heldStore()
  const { gateway, key } = await online(store)
  held.fail = true
  const { rev } = gateway.device(ID)
  expect(await codeOf(gateway.revoke(ADMIN, ID, { rev }))).toBe('STORE_FAILED')
  expect(await codeOf(gateway.unblock(ADMIN, ID, { rev }))).toBe('STORE_FAILED')
  await knock(gateway, ID, key.psk)
  held.fail = false
  await gateway.unblock(ADMIN, ID, { rev })
  expect(gateway.device(ID).state).toBe('offline')
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('a withdrawal of what somebody has not seen keeps nobody out', async () => {
  const { gateway, key } = await online()
  expect(await codeOf(gateway.revoke(ADMIN, ID, { rev: 77 }))).toBe('CONFLICT')
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('who has not seen the newest change is refused, and the device stays as it is', async () => {
  const { gateway, session } = await online()
  const { rev } = gateway.device(ID)
  await gateway.change(OPERATOR, ID, { rev, name: 'Attic', group: 'up' })
  for (const command of ['revoke', 'remove', 'block'] as const) {
    expect(await codeOf(gateway[command](ADMIN, ID, { rev }))).toBe('CONFLICT')
  }
  expect(gateway.device(ID)).toMatchObject({ state: 'online', name: 'Attic' })
  expect(session.signal.aborted).toBe(false)
})

test('a removed device is gone with its history, and comes back by a knock alone', async () => {
  const { gateway, store, key, peer, made } = await online()
  await peer.notify('telemetry', { values: { n: 1 } })
  await until(() => gateway.device(ID).readings.n !== undefined)
  await pass(made, 120_000)
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER }
  // The time is simulated, and the disk is not.
  await expect.poll(() => store.telemetry.read(ID, 'n', all), { timeout: 60_000 }).toHaveLength(1)
  await gateway.remove(ADMIN, ID, { rev: gateway.device(ID).rev })
  expect(await codeOf(Promise.resolve().then(() => gateway.device(ID)))).toBe('NOT_FOUND')
  expect(await store.telemetry.read(ID, 'n', all)).toEqual([])
  await gateway.closeJoin(OPERATOR)
  await knock(gateway, ID, key.psk)
  await turns()
  expect(gateway.devices()).toEqual([])
  const again = await approved(gateway, ID, key)
  expect(again).toMatchObject({ name: '', readings: {} })
  expect(again.rev).toBeGreaterThan(1)
})

test('a blocked id is dropped without a word until its time is over', async () => {
  const { gateway, made, key, session } = await online()
  const { rev } = gateway.device(ID)
  const until_ = made.wallOffset + made.clock.now() + DAY
  expect(await codeOf(gateway.block(ADMIN, ID, { rev, until: until_ - 2 * DAY }))).toBe('INVALID')
  expect(await gateway.block(ADMIN, ID, { rev, until: until_ })).toMatchObject({
    state: 'blocked',
    blockedUntil: until_,
  })
  expect((await session.closed).code).toBe('CLOSED')
  await gateway.openJoin(OPERATOR, { minutes: 60 })
  await knock(gateway, ID, key.psk)
  await turns()
  expect(gateway.device(ID)).toMatchObject({ state: 'blocked', knock: null })
  await pass(made, DAY, 3600_000)
  await untilState(gateway, ID, 'offline')
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('an id that waits can be blocked: it is off the list, and leaves no row once it is unblocked', async () => {
  const { gateway } = await testGateway()
  const key = newKey()
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, ID, key.psk)
  await untilState(gateway, ID, 'waiting')
  const blocked = await gateway.block(ADMIN, ID, { rev: 0 })
  expect(blocked).toMatchObject({ state: 'blocked', knock: null })
  await knock(gateway, ID, key.psk)
  await turns()
  expect(gateway.device(ID).state).toBe('blocked')
  await gateway.unblock(ADMIN, ID, { rev: gateway.device(ID).rev })
  expect(gateway.devices()).toEqual([])
})
