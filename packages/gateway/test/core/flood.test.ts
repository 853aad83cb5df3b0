import { deriveDevicePsk } from '@usmp/core'
import { nodeRandom, type UnprovenDevice } from '@usmp/node'
import { SimulatedClock, turns, until } from '@usmp/testing'
import { expect, test } from 'vitest'
import { MAX_WAITING, PROOF_MEMORY, WaitingList } from '../../src/devices/waiting-list.js'
import { GatewayTime } from '../../src/time.js'
import { approved, connectDevice, deviceNumber, newKey, OPERATOR, testGateway, untilState } from '../support/gateway.js'

const FLOOD = 300

test('knocks of many made-up ids: the list is bounded, keeps what counts, and own devices notice nothing', async () => {
  const masterKey = nodeRandom(32)
  const { gateway } = await testGateway({ masterKey })
  const [own, proven, starred] = [deviceNumber(5_001), deviceNumber(5_002), deviceNumber(5_003)]
  const key = newKey()
  await approved(gateway, own, key)
  const session = await connectDevice(gateway, own, key.psk)
  await untilState(gateway, own, 'online')
  const stranger = newKey().psk
  const tryOnce = (id: string, psk: Uint8Array, address: string) =>
    connectDevice(gateway, id, psk, { address }).catch(() => undefined)
  await tryOnce(proven, deriveDevicePsk(masterKey, proven), 'here')
  await tryOnce(starred, stranger, 'here')
  await untilState(gateway, starred, 'waiting')
  await gateway.star(OPERATOR, starred, { starred: true })
  for (let n = 0; n < FLOOD; n += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => tryOnce(deviceNumber(n + i), stranger, `flood:${n + i}`)))
  }
  await turns()
  const waiting = gateway.devices().filter(({ state }) => state === 'waiting')
  expect(waiting).toHaveLength(MAX_WAITING)
  expect(waiting.map(({ id }) => id)).toEqual(expect.arrayContaining([proven, starred, deviceNumber(FLOOD - 1)]))
  expect(gateway.joinWindow().overflow).toBe(FLOOD + 2 - MAX_WAITING)
  expect(gateway.system().limits['waiting-list']).toBe(FLOOD + 2 - MAX_WAITING)
  expect(session.signal.aborted).toBe(false)
  expect((await gateway.ping(OPERATOR, own)).roundTrip).toBeGreaterThanOrEqual(0)
  // A device of ours gets in right behind the flood.
  await connectDevice(gateway, own, key.psk)
  await until(() => gateway.device(own).state === 'online')
})

test('2,000 proofs of made-up ids: 128 are kept, each other one is wiped at once', () => {
  const clock = new SimulatedClock()
  const list = new WaitingList(new GatewayTime(clock, () => clock.now()), () => {})
  const kept = new Set<string>()
  const proofOf = (deviceId: string): UnprovenDevice => ({
    deviceId,
    address: 'flood',
    matches: () => kept.has(deviceId),
    keep: () => Boolean(kept.add(deviceId)),
    forget: () => void kept.delete(deviceId),
  })
  for (let n = 0; n < 2_000; n++) {
    list.add({ attempt: proofOf(deviceNumber(n)), carrier: null, proven: false, window: 60_000 })
  }
  expect(list.ids).toEqual(Array.from({ length: MAX_WAITING }, (_, i) => deviceNumber(2_000 - MAX_WAITING + i)))
  expect([...kept]).toEqual(list.ids)
  for (const id of list.ids) list.star(id, true)
  expect(list.add({ attempt: proofOf(deviceNumber(1)), carrier: null, proven: true, window: 60_000 })).toBe(false)
  expect(list.has(deviceNumber(1))).toBe(false)
  clock.advance(60_000 + PROOF_MEMORY + 600_000)
  expect([list.ids, kept.size, clock.pending]).toEqual([[], 0, 0])
})
