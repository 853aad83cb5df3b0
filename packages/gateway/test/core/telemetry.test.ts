import { SimulatedClock } from '@usmp/testing'
import { expect, test } from 'vitest'
import type { Reading } from '../../src/contract/device.js'
import { Counters, type Limit } from '../../src/counters.js'
import type { MinuteOfReading, TelemetryStore } from '../../src/store/store.js'
import { MAX_POINTS, PointBudget, Ring } from '../../src/telemetry/ring.js'
import { Telemetry } from '../../src/telemetry/telemetry.js'
import { GatewayTime } from '../../src/time.js'
import { deviceNumber } from '../support/gateway.js'

const MINUTE = 60_000
const ID = deviceNumber(1)
const SOURCE = { id: ID, history: ID, units: { t: '°C' } }

function make() {
  const clock = new SimulatedClock()
  const wall = { offset: 1_700_000_040_000 - clock.now() }
  const time = new GatewayTime(clock, () => wall.offset + clock.now())
  const limits = new Counters<Limit>()
  const written: { history: string; reading: string; minute: MinuteOfReading }[] = []
  const told: [string, ReadonlyMap<string, Reading>][] = []
  const store: TelemetryStore = {
    write: async (minutes) => void written.push(...minutes),
    read: async (history, reading, { from, to }) =>
      written
        .filter((one) => one.history === history && one.reading === reading)
        .map(({ minute }) => minute)
        .filter(({ at }) => at >= from && at <= to),
    remove: async () => void written.splice(0),
    prune: async () => {},
  }
  const telemetry = new Telemetry({ store, time, limits, onReadings: (id, changed) => void told.push([id, changed]) })
  return { clock, wall, time, limits, written, told, telemetry }
}

test('fine values and minutes; a time without a session is a gap, not a value', async () => {
  const { clock, telemetry, time } = make()
  const begin = time.now()
  for (const t of [20, 22, 24]) {
    telemetry.take(SOURCE, { values: { t } })
    clock.advance(20_000)
  }
  telemetry.onSessionEnded(ID)
  clock.advance(3 * MINUTE)
  telemetry.take(SOURCE, { values: { t: 30 } })
  const fine = await telemetry.series(SOURCE, 't', { resolution: 'fine' })
  expect(fine).toMatchObject({ unit: '°C', mean: [20, 22, 24, null, 30] })
  expect(fine.at).toEqual([0, 20_000, 40_000, MINUTE, 4 * MINUTE].map((at) => begin + at))
  const minutes = await telemetry.series(SOURCE, 't', { resolution: 'minute' })
  expect(minutes).toMatchObject({ mean: [22, null, 30], min: [20, null, 30], max: [24, null, 30] })
  clock.advance(16 * MINUTE)
  expect((await telemetry.series(SOURCE, 't', { resolution: 'fine' })).at).toEqual([])
  const later = await telemetry.series(SOURCE, 't', { resolution: 'minute', from: begin + MINUTE, to: time.now() })
  expect(later.mean).toEqual([30])
})

test('a device that floods is bounded in rate and in names, and what it sends of another type is no curve', async () => {
  const { clock, telemetry, limits, told } = make()
  for (let i = 0; i < 200; i++) telemetry.take(SOURCE, { values: { t: i } })
  expect([limits.get('telemetry-rate'), told.length]).toEqual([150, 50])
  clock.advance(10_000)
  const names = Array.from({ length: 100 }, (_, i) => [`__proto__${i}`, i] as const)
  telemetry.take(SOURCE, { values: Object.fromEntries(names) })
  expect(Object.keys(telemetry.readings(ID))).toHaveLength(64)
  expect(limits.get('telemetry-names')).toBe(37)
  telemetry.take(SOURCE, { values: JSON.parse('{"t":"<b>open</b>"}') })
  expect(telemetry.readings(ID).t).toMatchObject({ value: '<b>open</b>', unit: '°C' })
})

test('late values take their place in the past; the newest stays the newest', async () => {
  const { clock, telemetry, time } = make()
  telemetry.take(SOURCE, { values: { t: 1 } })
  clock.advance(5 * MINUTE)
  telemetry.take(SOURCE, { values: { t: 2 }, age: 3 * MINUTE })
  telemetry.take(SOURCE, { values: { t: 3 } })
  telemetry.take(SOURCE, { values: { t: 9 }, age: Number.MAX_SAFE_INTEGER })
  expect(telemetry.readings(ID).t).toMatchObject({ value: 3, at: time.now() })
  const { at, mean } = await telemetry.series(SOURCE, 't', { resolution: 'fine' })
  expect([mean, at.map((one) => time.now() - one)]).toEqual([
    [1, 2, 3],
    [5 * MINUTE, 3 * MINUTE, 0],
  ])
})

test('a clock that is set back stops neither readings nor curves', async () => {
  const { clock, wall, time, telemetry, written } = make()
  telemetry.take(SOURCE, { values: { t: 1 } })
  clock.advance(MINUTE)
  wall.offset -= 3600_000
  if (time.findJump()) telemetry.onClockJump()
  telemetry.take(SOURCE, { values: { t: 2 } })
  expect(telemetry.readings(ID).t).toMatchObject({ value: 2, at: time.now() })
  expect((await telemetry.series(SOURCE, 't', { resolution: 'fine' })).mean).toEqual([1, 2])
  await telemetry.close()
  expect(written.map(({ minute }) => minute.mean)).toEqual([1, 2])
})

test('replaced hardware goes on with the curves of the old', async () => {
  const { clock, telemetry } = make()
  const heir = { ...SOURCE, id: deviceNumber(2) }
  telemetry.take(SOURCE, { values: { t: 1 } })
  clock.advance(MINUTE)
  telemetry.move(ID, heir.id)
  telemetry.take(heir, { values: { t: 2 } })
  for (const resolution of ['fine', 'minute'] as const) {
    expect((await telemetry.series(heir, 't', { resolution })).mean).toEqual([1, 2])
  }
})

test('a ring keeps the newest points, grows by need, and gives its memory back', () => {
  const budget = new PointBudget(MAX_POINTS + 40)
  const [ring, other] = [new Ring(budget), new Ring(budget)]
  for (let i = 0; i < 3 * MAX_POINTS; i++) ring.push(i, i)
  expect(ring.points).toEqual(Array.from({ length: MAX_POINTS }, (_, i) => [2 * MAX_POINTS + i, 2 * MAX_POINTS + i]))
  for (let i = 0; i < 100; i++) expect(other.push(i, i)).toBe(true)
  expect(other.points).toHaveLength(32)
  expect(new Ring(budget).push(0, 0)).toBe(false)
  ring.clear()
  expect(new Ring(budget).push(0, 0)).toBe(true)
})

test('values that are too large to be added up cost nobody their minutes', async () => {
  const { clock, telemetry, written } = make()
  const { MAX_VALUE } = Number
  for (const t of [MAX_VALUE, MAX_VALUE, MAX_VALUE]) telemetry.take(SOURCE, { values: { t } })
  for (const t of [MAX_VALUE, -MAX_VALUE])
    telemetry.take({ ...SOURCE, id: deviceNumber(2), history: deviceNumber(2) }, { values: { t } })
  clock.advance(2 * MINUTE)
  await telemetry.close()
  expect(written.map(({ minute }) => minute.mean)).toEqual([MAX_VALUE, 0])
})
