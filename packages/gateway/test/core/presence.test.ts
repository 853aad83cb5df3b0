import { turns, until } from '@usmp/testing'
import { expect, test } from 'vitest'
import { Presence } from '../../src/devices/presence.js'
import { GatewayTime } from '../../src/time.js'
import {
  ADMIN,
  approved,
  connectDevice,
  deviceNumber,
  Freezer,
  knock,
  newKey,
  OPERATOR,
  pass,
  serve,
  testGateway,
  untilState,
} from '../support/gateway.js'

const ID = deviceNumber(1)

/** A gateway with one device that is online. */
async function online(options: { idleLimit?: number } = {}) {
  const made = await testGateway()
  const { gateway } = made
  const key = newKey()
  const { rev } = await approved(gateway, ID, key)
  if (options.idleLimit) await gateway.change(OPERATOR, ID, { rev, idleLimit: options.idleLimit })
  const freezer = new Freezer()
  const session = await connectDevice(gateway, ID, key.psk, { freezer })
  await untilState(gateway, ID, 'online')
  return { ...made, made, gateway, key, freezer, session }
}

test('approved until it has said something; online while it answers; offline after 60 s of silence; back with a new session', async () => {
  const made = await testGateway()
  const { gateway } = made
  const [key, freezer] = [newKey(), new Freezer()]
  await approved(gateway, ID, key)
  const mute = new Freezer()
  const silent = connectDevice(gateway, ID, key.psk, { freezer: mute })
  await silent
  expect(['approved', 'online']).toContain(gateway.device(ID).state)
  const session = await connectDevice(gateway, ID, key.psk, { freezer })
  await untilState(gateway, ID, 'online')
  await pass(made, 180_000)
  expect(gateway.device(ID)).toMatchObject({ state: 'online', session: { carrier: 'tcp', suite: 'AES-256-GCM' } })
  expect(gateway.device(ID).session!.roundTrips!.recent.length).toBeGreaterThan(5)
  freezer.freeze()
  // It was heard 20 s ago at the longest.
  await pass(made, 39_000)
  expect(gateway.device(ID).state).toBe('online')
  await pass(made, 22_000)
  const gone = gateway.device(ID)
  expect(gone).toMatchObject({ state: 'offline', session: null })
  expect(made.wallOffset + made.clock.now() - gone.lastSeenAt!).toBeGreaterThanOrEqual(60_000)
  freezer.thaw()
  await session.closed
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('each device has its own limit of silence, which may change while it is online', async () => {
  const { gateway, freezer, made } = await online({ idleLimit: 3600_000 })
  freezer.freeze()
  await pass(made, 600_000, 60_000)
  expect(gateway.device(ID).state).toBe('online')
  await gateway.change(OPERATOR, ID, { rev: gateway.device(ID).rev, idleLimit: 5_000 })
  await pass(made, 200, 100)
  expect(gateway.device(ID).state).toBe('offline')
})

test('an impostor with a wrong key is noted at the device, and its session lives on', async () => {
  const { gateway, session, key } = await online()
  for (const kind of ['stream', 'message'] as const) await knock(gateway, ID, newKey().psk, { kind, address: 'evil:1' })
  await until(() => gateway.device(ID).attempts?.count === 2)
  expect(gateway.device(ID)).toMatchObject({ state: 'online', knock: null, attempts: { lastAddress: 'evil:1' } })
  expect(gateway.devices()).toHaveLength(1)
  expect(session.signal.aborted).toBe(false)
  expect((await gateway.ping(ADMIN, ID)).roundTrip).toBeGreaterThanOrEqual(0)
  // The true device may move.
  await connectDevice(gateway, ID, key.psk, { address: 'elsewhere:1' })
  expect((await session.closed).code).toBe('CLOSED')
  await until(() => gateway.device(ID).session?.address === 'elsewhere:1')
})

test('when it was last seen is noted now and then, without a conflict for people', async () => {
  const { gateway, store, session, made } = await online()
  const seen = gateway.device(ID)
  await pass(made, 300_000, 20_000)
  await until(() => gateway.device(ID).rev > seen.rev)
  expect((await store.devices.get(ID))!.value.lastSeenAt).not.toBeNull()
  const changed = await gateway.change(OPERATOR, ID, { rev: seen.rev, name: 'Attic' })
  expect(changed.name).toBe('Attic')
  await expect(gateway.change(OPERATOR, ID, { rev: seen.rev, name: 'Cellar' })).rejects.toThrow('Somebody else')
  const { rev } = gateway.device(ID)
  await pass(made, 25_000)
  await session.close()
  await untilState(gateway, ID, 'offline')
  await pass(made, 10_000)
  await until(() => gateway.device(ID).rev > rev)
  const stored = (await store.devices.get(ID))!.value
  expect(stored.lastSeenAt).toBe(gateway.device(ID).lastSeenAt)
})

test('what a device calls itself is kept until a person gives a name', async () => {
  const { gateway, session, made } = await online()
  serve(session, { name: '<b>\u202Eevil\u0000</b>', firmware: { product: 'p', version: '1', chip: null } })
  // The first question of the session waits for the answer.
  await until(() => gateway.device(ID).firmware !== null)
  expect(gateway.device(ID).name).toBe('<b>\u202Eevil\u0000</b>')
  await session.close()
  await untilState(gateway, ID, 'offline')
  await pass(made, 10_000)
  await until(() => gateway.device(ID).rev > 1)
  const { rev } = gateway.device(ID)
  const name = '𝕏'.repeat(32)
  expect((await gateway.change(OPERATOR, ID, { rev, name })).name).toBe(name)
})

test('a clock that is set changes no state and keeps no window open; the jump is told', async () => {
  const { gateway, made } = await online()
  for (const jump of [40 * 365 * 86_400_000, -41 * 365 * 86_400_000]) {
    await gateway.openJoin(OPERATOR, { minutes: 10 })
    made.wallOffset += jump
    await pass(made, 2_000, 1_000)
    expect(gateway.device(ID).state).toBe('online')
    expect(gateway.joinWindow().open).toBe(jump < 0)
    expect(gateway.system().clockJumps.at(-1)!.by).toBe(jump)
  }
  await pass(made, 600_000, 20_000)
  expect(gateway.joinWindow().open).toBe(false)
  expect(gateway.device(ID).state).toBe('online')
})

test('a machine that slept past the end of the join window finds it closed, before any timer has run', async () => {
  const { gateway, made } = await online()
  await gateway.openJoin(OPERATOR, { minutes: 10 })
  made.wallOffset += 599_000
  expect(gateway.joinWindow()).toMatchObject({ open: true, remaining: 1_000 })
  // The clock that never jumps stood still.
  made.wallOffset += 1_000
  const stranger = newKey()
  await knock(gateway, deviceNumber(9), stranger.psk)
  await turns()
  expect(gateway.devices().map(({ id }) => id)).toEqual([ID])
  expect(gateway.joinWindow().open).toBe(false)
  const { value } = await gateway.live(AbortSignal.timeout(60_000))[Symbol.asyncIterator]().next()
  expect(value).toMatchObject({ type: 'snapshot', join: { open: false }, knocksWhileClosed: 1 })
})

test('a hint that a device may be gone: it is asked at once and has 5 s; the hint alone decides nothing', async () => {
  const made = await testGateway()
  const time = new GatewayTime(made.clock, () => made.clock.now())
  const session = { lastReceived: made.clock.now(), pings: 0, closed: '', signal: new AbortController().signal }
  let silent = 0
  const presence = new Presence(
    {
      ...session,
      get lastReceived() {
        return session.lastReceived
      },
      ping: async () => {
        session.pings++
        return 1
      },
      close: async (reason) => void (session.closed = reason?.code ?? ''),
    },
    time,
    { limit: () => 60_000, onRoundTrip: () => {}, onSilent: () => silent++ },
  )
  await turns()
  made.clock.advance(1_000)
  const before = session.pings
  for (let i = 0; i < 100; i++) presence.suspect()
  expect(session.pings).toBe(before + 1)
  made.clock.advance(2_000)
  session.lastReceived = made.clock.now()
  made.clock.advance(30_000)
  await turns()
  expect([silent, session.closed]).toEqual([0, ''])
  presence.suspect()
  made.clock.advance(4_999)
  await turns()
  expect(silent).toBe(0)
  made.clock.advance(1)
  await turns()
  expect([silent, session.closed]).toEqual([1, 'IDLE_TIMEOUT'])
  presence.suspect()
  presence.resume()
  made.clock.advance(100_000)
  await turns()
  expect(silent).toBe(1)
})
