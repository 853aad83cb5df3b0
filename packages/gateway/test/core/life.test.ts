import { until } from '@usmp/testing'
import { expect, test } from 'vitest'
import {
  ADMIN,
  connectDevice,
  deviceNumber,
  knock,
  newKey,
  OPERATOR,
  serve,
  testGateway,
  untilState,
} from '../support/gateway.js'

const ID = deviceNumber(1)

test('a device knocks, is approved, is seen, answers, and is revoked', async () => {
  const { gateway, store } = await testGateway()
  const key = newKey()
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, ID, key.psk)
  const waiting = await untilState(gateway, ID, 'waiting')
  const { proofId } = waiting.knock!
  expect(await gateway.checkKey(OPERATOR, ID, { proofId, psk: key.hex })).toMatchObject({ fits: true })
  const approved = await gateway.approve(OPERATOR, ID, { proofId, psk: key.hex, name: 'Kitchen' })
  expect(approved).toMatchObject({ state: 'approved', name: 'Kitchen', keySource: 'typed', knock: null })
  const session = await connectDevice(gateway, ID, key.psk)
  const peer = serve(session, { name: 'sensor', units: { temperature: '°C' }, methods: ['describe'] })
  await untilState(gateway, ID, 'online')
  await until(() => gateway.device(ID).methods.length > 0)
  await peer.notify('telemetry', { values: { temperature: 21.5, open: true } })
  await until(() => Object.keys(gateway.device(ID).readings).length === 2)
  expect(gateway.device(ID).readings.temperature).toMatchObject({ value: 21.5, unit: '°C' })
  expect(await gateway.request(OPERATOR, ID, { method: 'describe' })).toMatchObject({ result: { name: 'sensor' } })
  expect((await gateway.ping(OPERATOR, ID)).roundTrip).toBeGreaterThanOrEqual(0)
  const revoked = await gateway.revoke(ADMIN, ID, { rev: gateway.device(ID).rev })
  expect(revoked).toMatchObject({ state: 'revoked', session: null, keySource: null, fingerprint: null })
  expect((await session.closed).code).toBe('CLOSED')
  expect((await store.devices.get(ID))!.value.sealedKey).toBeNull()
  await knock(gateway, ID, key.psk)
  expect(gateway.device(ID).state).toBe('revoked')
  const actions = (await store.audit.page({ limit: 50 })).map(({ action }) => action).reverse()
  expect(actions).toEqual([
    ...['join.open', 'device.check-key', 'device.approve', 'device.request', 'device.ping', 'device.revoke'],
  ])
})

test('the audit log says who tried a wrong key, and what somebody changed', async () => {
  const { gateway, store } = await testGateway()
  const key = newKey()
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, ID, key.psk)
  const { proofId } = (await untilState(gateway, ID, 'waiting')).knock!
  await gateway.checkKey(OPERATOR, ID, { proofId, psk: newKey().hex })
  const { rev } = await gateway.approve(OPERATOR, ID, { proofId, psk: key.hex, name: 'Küche' })
  await gateway.change(OPERATOR, ID, {
    rev,
    name: 'Kitchen',
    group: null,
    alarmRules: [{ kind: 'above', reading: 'temperature', limit: 30 }],
  })
  const [change, , check] = await store.audit.page({ limit: 3 })
  expect(check).toMatchObject({ action: 'device.check-key', result: 'KEY_DOES_NOT_FIT' })
  expect(change).toMatchObject({ action: 'device.change', result: 'ok' })
  expect(change!.detail).toBe('name "Küche" → "Kitchen", alarmRules [] → [temperature above 30]')
})
