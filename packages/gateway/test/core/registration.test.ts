import { expect, test } from 'vitest'
import {
  codeOf,
  connectDevice,
  deviceNumber,
  knock,
  newKey,
  OPERATOR,
  pass,
  testGateway,
  untilState,
} from '../support/gateway.js'

const [A, B, C] = [deviceNumber(1), deviceNumber(2), deviceNumber(3)]

test('a registered device comes in without a knock, and nothing is registered twice', async () => {
  const { gateway } = await testGateway()
  const key = newKey()
  const registered = await gateway.register(OPERATOR, { id: A, psk: key.hex, name: 'Gate', group: 'garden' })
  expect(registered).toMatchObject({ state: 'approved', name: 'Gate', group: 'garden', keySource: 'registered' })
  expect(await codeOf(gateway.register(OPERATOR, { id: A, psk: newKey().hex }))).toBe('EXISTS')
  expect(await codeOf(gateway.register(OPERATOR, { id: B, psk: '00'.repeat(32) }))).toBe('WEAK_PSK')
  await connectDevice(gateway, A, key.psk)
  await untilState(gateway, A, 'online')
  expect(gateway.devices()).toHaveLength(1)
})

test('a registered device was first seen when it first came, however late that is written down', async () => {
  const made = await testGateway()
  const { gateway } = made
  const key = newKey()
  await gateway.register(OPERATOR, { id: A, psk: key.hex })
  expect(gateway.device(A).firstSeenAt).toBeNull()
  const session = await connectDevice(gateway, A, key.psk)
  await untilState(gateway, A, 'online')
  const { firstSeenAt } = gateway.device(A)
  expect(firstSeenAt).not.toBeNull()
  await pass(made, 30_000)
  await session.close()
  await untilState(gateway, A, 'offline')
  expect(gateway.device(A)).toMatchObject({ firstSeenAt })
  expect(gateway.device(A).lastSeenAt).toBeGreaterThan(firstSeenAt!)
})

test('a device that was locked out, as its key was not known, comes in as soon as it is registered', async () => {
  const { gateway } = await testGateway()
  const key = newKey()
  for (let i = 0; i < 5; i++) await knock(gateway, A, key.psk)
  await expect(connectDevice(gateway, A, key.psk)).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED' })
  expect(gateway.system().limits).toEqual({ lockout: 1 })
  await gateway.register(OPERATOR, { id: A, psk: key.hex })
  await connectDevice(gateway, A, key.psk)
  await untilState(gateway, A, 'online')
})

test('a file of devices: each faulty line is told with its number, the others are registered', async () => {
  const { gateway, store } = await testGateway()
  const [key, other] = [newKey(), newKey()]
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(gateway, C, other.psk)
  await untilState(gateway, C, 'waiting')
  const upper = A.toUpperCase().replaceAll(':', '-')
  const csv = [
    '\uFEFFID,PSK,name,group',
    `${upper},${key.hex},"Lamp, ""left""",hall`,
    `${A},${other.hex},twice,`,
    '',
    'nonsense,1234,,',
    `${B},${'11'.repeat(32)},weak,`,
    `${B},${other.hex.slice(2)},short,`,
    `${B},${other.hex},${'x'.repeat(65)},`,
    `${C},${other.hex}`,
  ].join('\r\n')
  const result = await gateway.importDevices(OPERATOR, { csv })
  expect(result.registered).toBe(2)
  expect(result.refused.map(({ line, id, code }) => [line, id, code])).toEqual([
    [3, A, 'EXISTS'],
    [5, null, 'INVALID'],
    [6, B, 'WEAK_PSK'],
    [7, B, 'INVALID'],
    [8, B, 'INVALID'],
  ])
  expect(JSON.stringify(result)).not.toContain(other.hex.slice(2, 30))
  expect(gateway.devices().map(({ id, name, state }) => [id, name, state])).toEqual([
    [C, '', 'approved'],
    [A, 'Lamp, "left"', 'approved'],
  ])
  expect((await store.audit.page({ limit: 1 }))[0]).toMatchObject({
    action: 'device.import',
    detail: '2 registered, 5 refused',
  })
  await connectDevice(gateway, A, key.psk)
  await connectDevice(gateway, C, other.psk)
})

test.each(['', 'a,b\n1,2', 'id\n02:00:00:00:00:01', 'id,psk,id\n', 'id,psk\n"open'])(
  '%j is no such file',
  async (csv) => {
    const { gateway } = await testGateway()
    expect(await codeOf(gateway.importDevices(OPERATOR, { csv }))).toBe('INVALID')
    expect(gateway.devices()).toEqual([])
  },
)
