import { deriveDevicePsk, pskFingerprint } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { SimulatedClock, turns, until } from '@usmp/testing'
import { expect, test } from 'vitest'
import { WaitingList } from '../../src/devices/waiting-list.js'
import { GatewayTime } from '../../src/time.js'
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
  testGateway,
  untilState,
  VIEWER,
} from '../support/gateway.js'

const ID = deviceNumber(1)
const OTHER = deviceNumber(2)
const HOUR = 3600_000

/** A gateway at which one device waits. */
async function waiting(key = newKey()) {
  const made = await testGateway()
  const { gateway } = made
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, ID, key.psk)
  const { knock: row } = await untilState(gateway, ID, 'waiting')
  return { ...made, key, made, proofId: row!.proofId }
}

test('a wrong key changes nothing and says so; the right one is taken afterwards', async () => {
  const { gateway, store, key, proofId } = await waiting()
  const wrong = newKey()
  const before = gateway.device(ID)
  expect(await gateway.checkKey(OPERATOR, ID, { proofId, psk: wrong.hex })).toEqual({ fits: false, fingerprint: null })
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: wrong.hex }))).toBe('KEY_DOES_NOT_FIT')
  expect(gateway.device(ID)).toEqual(before)
  expect(await store.devices.get(ID)).toBeUndefined()
  const fingerprint = pskFingerprint(key.psk, ID)
  expect(await gateway.checkKey(OPERATOR, ID, { proofId, psk: key.hex })).toEqual({ fits: true, fingerprint })
  expect(await gateway.approve(OPERATOR, ID, { proofId, psk: key.hex })).toMatchObject({
    state: 'approved',
    fingerprint,
  })
})

test('a proof that changed since the person looked is not approved by a key of the other one', async () => {
  const { gateway, key, proofId } = await waiting()
  const impostor = newKey()
  await knock(gateway, ID, impostor.psk)
  await until(() => gateway.device(ID).knock?.count === 2)
  const { proofId: newer } = gateway.device(ID).knock!
  expect(newer).not.toBe(proofId)
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId: newer, psk: key.hex }))).toBe('KEY_DOES_NOT_FIT')
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: impostor.hex }))).toBe('KEY_DOES_NOT_FIT')
})

test('who knocks again and again with the id of a device does not hold up the approval of the proof that was looked at', async () => {
  const { gateway, key, proofId } = await waiting()
  for (let n = 2; n < 8; n++) {
    await knock(gateway, ID, newKey().psk, { address: `stranger ${n}` })
    await until(() => gateway.device(ID).knock?.count === n)
  }
  expect(gateway.device(ID).knock!.proofId).not.toBe(proofId)
  expect(await gateway.checkKey(OPERATOR, ID, { proofId, psk: key.hex })).toMatchObject({ fits: true })
  await gateway.approve(OPERATOR, ID, { proofId, psk: key.hex })
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('an older proof is there for a minute, beside the newest one only, and is then wiped', () => {
  const clock = new SimulatedClock()
  const list = new WaitingList(new GatewayTime(clock, () => clock.now()), () => {})
  const kept = new Set<number>()
  let made = 0
  const add = (proven = false) => {
    const n = made++
    const attempt = {
      ...{ deviceId: ID, address: 'at home', matches: () => true },
      keep: () => kept.add(n) !== undefined,
      forget: () => void kept.delete(n),
    }
    list.add({ attempt, carrier: null, proven, window: 60_000 })
    return list.view(ID)!.proofId
  }
  const isKnown = (proofId: string) => {
    try {
      return list.matches(ID, proofId, new Uint8Array(32))
    } catch (error) {
      expect(error).toMatchObject({ code: 'PROOF_CHANGED' })
      return false
    }
  }
  const [first, second] = [add(), add()]
  clock.advance(59_999)
  const third = add()
  expect([first, second, third].map(isKnown)).toEqual([true, false, true])
  expect(kept).toEqual(new Set([0, 2]))
  clock.advance(1)
  expect([first, third].map(isKnown)).toEqual([false, true])
  expect(kept).toEqual(new Set([2]))
  const proven = add(true)
  expect([list.isProven(ID, third), list.isProven(ID, proven)]).toEqual([false, true])
  list.remove(ID)
  expect(kept.size).toBe(0)
  clock.advance(10_000_000)
  expect(list.ids).toEqual([])
})

test('a proof can be checked for an hour after the window, then the device has to knock again', async () => {
  const { gateway, key, made, proofId } = await waiting()
  await pass(made, HOUR + 5 * 60_000 - 1, HOUR)
  expect(await gateway.checkKey(OPERATOR, ID, { proofId, psk: key.hex })).toMatchObject({ fits: true })
  await pass(made, 1)
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: key.hex }))).toBe('PROOF_EXPIRED')
  expect(await codeOf(gateway.checkKey(OPERATOR, ID, { proofId, psk: key.hex }))).toBe('PROOF_EXPIRED')
  await pass(made, 600_000, 600_000)
  expect(gateway.devices()).toEqual([])
})

test('keys cannot be tried without end', async () => {
  const { gateway, key, proofId, made } = await waiting()
  const wrong = newKey().hex
  for (let i = 0; i < 20; i++) await gateway.checkKey(OPERATOR, ID, { proofId, psk: wrong })
  expect(await codeOf(gateway.checkKey(OPERATOR, ID, { proofId, psk: wrong }))).toBe('TOO_MANY')
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: key.hex }))).toBe('TOO_MANY')
  await pass(made, 6_000)
  expect(await gateway.approve(OPERATOR, ID, { proofId, psk: key.hex })).toMatchObject({ state: 'approved' })
})

test('a key that can be guessed, and what is no key, are refused', async () => {
  const { gateway, proofId } = await waiting()
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: 'ab'.repeat(32) }))).toBe('WEAK_PSK')
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId, psk: 'no key' }))).toBe('INVALID')
  expect(await codeOf(gateway.approve(OPERATOR, ID, { proofId }))).toBe('INVALID')
})

test('of two people who approve at once one hears that the other was quicker, and the key is stored once', async () => {
  const { gateway, key, proofId } = await waiting()
  const approve = () => gateway.approve(OPERATOR, ID, { proofId, psk: key.hex })
  const results = await Promise.allSettled([approve(), approve()])
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await codeOf(approve())).toBe('WRONG_STATE')
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
})

test('a device whose key comes from the master key is proven at once, and nobody can push its proof aside', async () => {
  const masterKey = nodeRandom(32)
  const { gateway } = await testGateway({ masterKey })
  const psk = deriveDevicePsk(masterKey, ID)
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, ID, psk)
  const { knock: row } = await untilState(gateway, ID, 'waiting')
  expect(row!.proven).toBe(true)
  await knock(gateway, ID, newKey().psk)
  await until(() => gateway.device(ID).knock?.count === 2)
  expect(gateway.device(ID).knock).toMatchObject({ proven: true, proofId: row!.proofId })
  const device = await gateway.approve(OPERATOR, ID, { proofId: row!.proofId })
  expect(device).toMatchObject({ keySource: 'master', fingerprint: pskFingerprint(psk, ID) })
  await connectDevice(gateway, ID, psk)
  await untilState(gateway, ID, 'online')
  // A key of the master key alone does not let anybody in.
  await knock(gateway, OTHER, deriveDevicePsk(masterKey, OTHER))
  expect((await untilState(gateway, OTHER, 'waiting')).session).toBeNull()
})

test('the join window closes at its deadline, after its count, and admits only the ids that it names', async () => {
  const made = await testGateway()
  const { gateway } = made
  const key = newKey()
  await knock(gateway, ID, key.psk)
  await turns()
  expect(gateway.devices()).toEqual([])
  await gateway.openJoin(OPERATOR, { minutes: 1, count: 1, suffix: '0002' })
  await knock(gateway, ID, key.psk)
  await knock(gateway, OTHER, key.psk)
  await untilState(gateway, OTHER, 'waiting')
  expect(gateway.devices()).toHaveLength(1)
  expect(gateway.joinWindow()).toMatchObject({ open: true, left: 1, suffix: '0002', remaining: 60_000 })
  const { proofId } = gateway.device(OTHER).knock!
  await gateway.approve(OPERATOR, OTHER, { proofId, psk: key.hex })
  expect(gateway.joinWindow()).toMatchObject({ open: false, until: null })
  await gateway.openJoin(OPERATOR, { minutes: 1 })
  await pass(made, 59_999, 59_999)
  expect(gateway.joinWindow().open).toBe(true)
  await pass(made, 1)
  expect(gateway.joinWindow().open).toBe(false)
  await knock(gateway, ID, key.psk)
  await turns()
  expect(gateway.devices().map(({ id }) => id)).toEqual([OTHER])
})

test('who looks only may change nothing; each command stands in the audit log, refused or not', async () => {
  const { gateway, store, key, proofId } = await waiting()
  const { rev } = await approved(gateway, OTHER, newKey())
  const refused = [
    gateway.checkKey(VIEWER, ID, { proofId, psk: key.hex }),
    gateway.approve(VIEWER, ID, { proofId, psk: key.hex }),
    gateway.star(VIEWER, ID, { starred: true }),
    gateway.dismiss(VIEWER, ID),
    gateway.register(VIEWER, { id: deviceNumber(3), psk: key.hex }),
    gateway.importDevices(VIEWER, { csv: 'id,psk\n' }),
    gateway.change(VIEWER, OTHER, { rev, name: 'Hall' }),
    gateway.ping(VIEWER, OTHER),
    gateway.request(VIEWER, OTHER, { method: 'stop' }),
    gateway.openJoin(VIEWER, { minutes: 1 }),
    gateway.closeJoin(VIEWER),
    gateway.revoke(OPERATOR, OTHER, { rev }),
    gateway.remove(OPERATOR, OTHER, { rev }),
    gateway.block(OPERATOR, OTHER, { rev }),
    gateway.unblock(OPERATOR, OTHER, { rev }),
    gateway.replace(OPERATOR, OTHER, { rev, by: ID, proofId, psk: key.hex }),
  ]
  for (const one of refused) expect(await codeOf(one)).toBe('FORBIDDEN')
  const entries = await store.audit.page({ limit: 100 })
  expect(entries.filter(({ result }) => result === 'FORBIDDEN')).toHaveLength(refused.length)
  expect(gateway.device(ID)).toMatchObject({ state: 'waiting', knock: { starred: false } })
  expect(gateway.device(OTHER)).toMatchObject({ state: 'approved', rev })
  expect(JSON.stringify(entries)).not.toContain(key.hex)
  await gateway.dismiss(OPERATOR, ID)
  expect(gateway.devices().map(({ id }) => id)).toEqual([OTHER])
  expect(await codeOf(gateway.dismiss(ADMIN, ID))).toBe('NOT_FOUND')
})

test('hardware is replaced: name, group and history go on, the old one is revoked', async () => {
  const { gateway, key, proofId } = await waiting()
  const old = newKey()
  const { rev } = await approved(gateway, OTHER, old, 'Cellar')
  const session = await connectDevice(gateway, OTHER, old.psk)
  await untilState(gateway, OTHER, 'online')
  const body = { rev, by: ID, proofId, psk: key.hex }
  expect(await codeOf(gateway.replace(ADMIN, OTHER, { ...body, psk: newKey().hex }))).toBe('KEY_DOES_NOT_FIT')
  expect(gateway.device(OTHER).state).toBe('online')
  const heir = await gateway.replace(ADMIN, OTHER, body)
  expect(heir).toMatchObject({ id: ID, name: 'Cellar', state: 'approved', replaced: [OTHER] })
  expect(gateway.device(OTHER)).toMatchObject({ state: 'revoked', session: null })
  expect((await session.closed).code).toBe('CLOSED')
  await connectDevice(gateway, ID, key.psk)
  await untilState(gateway, ID, 'online')
  await knock(gateway, OTHER, old.psk)
})

test('a device that was replaced is not replaced again: its history goes on with one heir', async () => {
  const { gateway, key, proofId } = await waiting()
  const { rev } = await approved(gateway, OTHER, newKey())
  const second = newKey()
  const third = deviceNumber(77)
  await gateway.openJoin(OPERATOR, { minutes: 60 })
  await knock(gateway, third, second.psk)
  const { proofId: other } = (await untilState(gateway, third, 'waiting')).knock!
  await gateway.replace(ADMIN, OTHER, { rev, by: ID, proofId, psk: key.hex })
  const body = { rev: gateway.device(OTHER).rev, by: third, proofId: other, psk: second.hex }
  expect(await codeOf(gateway.replace(ADMIN, OTHER, body))).toBe('WRONG_STATE')
  expect(gateway.device(third).state).toBe('waiting')
  const heir = await gateway.replace(ADMIN, ID, { ...body, rev: gateway.device(ID).rev })
  expect(heir.replaced).toEqual([OTHER, ID])
})

test('an id whose history goes on with other hardware is not let in beside it', async () => {
  const { gateway, key, proofId } = await waiting()
  const old = newKey()
  const { rev } = await approved(gateway, OTHER, old, 'Cellar')
  await gateway.replace(ADMIN, OTHER, { rev, by: ID, proofId, psk: key.hex })
  await gateway.remove(ADMIN, OTHER, { rev: gateway.device(OTHER).rev })
  await knock(gateway, OTHER, old.psk)
  const { knock: row } = await untilState(gateway, OTHER, 'waiting')
  const body = { proofId: row!.proofId, psk: old.hex }
  const refused = await gateway.approve(OPERATOR, OTHER, body).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'EXISTS', hint: expect.stringContaining(`replace ${ID} by it`) })
  expect(await codeOf(gateway.register(OPERATOR, { id: OTHER, psk: old.hex }))).toBe('EXISTS')
  const csv = `id,psk\n${OTHER},${old.hex}\n`
  expect(await gateway.importDevices(OPERATOR, { csv })).toMatchObject({ registered: 0, refused: [{ code: 'EXISTS' }] })
  expect(gateway.device(OTHER).state).toBe('waiting')
  const back = await gateway.replace(ADMIN, ID, { ...body, rev: gateway.device(ID).rev, by: OTHER })
  expect(back).toMatchObject({ id: OTHER, name: 'Cellar', replaced: [OTHER, ID] })
  await connectDevice(gateway, OTHER, old.psk)
  await untilState(gateway, OTHER, 'online')
})
