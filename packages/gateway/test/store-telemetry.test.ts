import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { Database } from '../src/store/database.js'
import { layout } from '../src/store/layout.js'
import { LevelTelemetry, MAX_READINGS } from '../src/store/level-telemetry.js'
import { openStore } from '../src/store/open.js'
import { temporaryFolder, temporaryStore } from './support/temporary-store.js'

const DEVICE = 'aa:bb:cc:dd:ee:01'
const OTHER = 'aa:bb:cc:dd:ee:02'
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const START = 30_000_000 * MINUTE

const written = (history: string, reading: string, at: number, mean = 1) => ({
  history,
  reading,
  minute: { at, mean, min: mean - 1, max: mean + 1 },
})

test('minutes come back, oldest first, of the range only', async () => {
  const { telemetry } = await temporaryStore()
  const minutes = Array.from({ length: 10 }, (_, i) => written(DEVICE, 'temperature', START + i * MINUTE, i))
  await telemetry.write([...minutes].reverse())
  await telemetry.write([written(DEVICE, 'temperature2', START, 99), written(OTHER, 'temperature', START, 98)])
  const read = (from: number, to: number) => telemetry.read(DEVICE, 'temperature', { from, to })
  expect(await read(0, START + DAY)).toEqual(minutes.map(({ minute }) => minute))
  expect((await read(START + 2 * MINUTE, START + 4 * MINUTE)).map(({ mean }) => mean)).toEqual([2, 3])
  expect((await read(START + 2 * MINUTE + 1, START + 4 * MINUTE + 1)).map(({ mean }) => mean)).toEqual([2, 3, 4])
  expect(await read(START + 5 * MINUTE, START + 5 * MINUTE)).toEqual([])
})

test('whatever a device calls its readings, they stay apart', async () => {
  const { telemetry } = await temporaryStore()
  const names = fc.uniqueArray(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), {
    minLength: 2,
    maxLength: 8,
  })
  let device = 0
  await fc.assert(
    fc.asyncProperty(names, async (readings) => {
      const history = `device-${device++}`
      await telemetry.write(readings.map((reading, i) => written(history, reading, START, i)))
      for (const [i, reading] of readings.entries()) {
        const minutes = await telemetry.read(history, reading, { from: 0, to: START + DAY })
        expect(minutes.map(({ mean }) => mean)).toEqual([i])
      }
    }),
    { numRuns: 15 },
  )
})

test('what is older than a time is removed, and that of a device', async () => {
  const { telemetry } = await temporaryStore()
  for (const device of [DEVICE, OTHER]) {
    await telemetry.write([0, 1, 2, 3].map((day) => written(device, 'temperature', START + day * DAY, day)))
  }
  const days = async (device: string) => {
    const minutes = await telemetry.read(device, 'temperature', { from: 0, to: START + 9 * DAY })
    return minutes.map(({ mean }) => mean)
  }
  await telemetry.prune(START + 2 * DAY)
  expect(await days(DEVICE)).toEqual([2, 3])
  expect(await days(OTHER)).toEqual([2, 3])
  await telemetry.remove(DEVICE)
  expect(await days(DEVICE)).toEqual([])
  expect(await days(OTHER)).toEqual([2, 3])
})

test('a device has at most 32 stored readings, until old ones are gone', async () => {
  const folder = await temporaryFolder()
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
  const first = await openStore(folder)
  await first.telemetry.write(names('old', MAX_READINGS).map((reading) => written(DEVICE, reading, START)))
  await first.close()
  const { telemetry, close } = await openStore(folder).then((store) => ({
    telemetry: store.telemetry,
    close: () => store.close(),
  }))
  onTestFinished(close)
  const stored = async (reading: string) =>
    (await telemetry.read(DEVICE, reading, { from: 0, to: START + 9 * DAY })).length
  await telemetry.write(names('new', 40).map((reading) => written(DEVICE, reading, START + DAY)))
  await telemetry.write([written(DEVICE, 'old5', START + DAY), written(OTHER, 'new1', START)])
  expect([await stored('old5'), await stored('new1')]).toEqual([2, 0])
  await telemetry.prune(START + DAY)
  await telemetry.write(names('new', 40).map((reading) => written(DEVICE, reading, START + 2 * DAY)))
  expect([await stored('old5'), await stored('new0'), await stored('new30'), await stored('new31')]).toEqual([
    1, 1, 1, 0,
  ])
})

test('when all of it takes too much room, the oldest days go', async () => {
  const folder = await temporaryFolder()
  const database = await Database.open<Uint8Array>(join(folder, 't'), {
    probe: join(folder, 'probe'),
    encoding: 'view',
    create: true,
  })
  onTestFinished(() => database.close())
  const telemetry = new LevelTelemetry(database, 100_000)
  for (let day = 0; day < 7; day++) {
    const minutes = Array.from({ length: 1440 }, (_, i) =>
      written(DEVICE, 'noise', START + day * DAY + i * MINUTE, Math.sin(i * i) * 1e6),
    )
    await telemetry.write(minutes)
  }
  // What is in LevelDB's log alone has no size yet.
  await database.compact({ gte: 'minute!', lt: 'minute"' })
  const range = { from: 0, to: START + 9 * DAY }
  await telemetry.prune(START)
  const left = await telemetry.read(DEVICE, 'noise', range)
  expect(left.length).toBeGreaterThan(0)
  expect(left.length).toBeLessThan(7 * 1440)
  expect(left.at(-1)?.at).toBe(START + 7 * DAY - MINUTE)
  expect(await database.size({ gte: 'minute!', lt: 'minute"' })).toBeLessThan(100_000)
})

test('a minute that is no number is refused, a damaged one is a gap', async () => {
  const folder = await temporaryFolder()
  const database = await Database.open<Uint8Array>(join(folder, 't'), {
    probe: join(folder, 'probe'),
    encoding: 'view',
    create: true,
  })
  onTestFinished(() => database.close())
  const telemetry = new LevelTelemetry(database)
  await expect(telemetry.write([written(DEVICE, 'x', START, Number.NaN)])).rejects.toMatchObject({ code: 'INVALID' })
  await telemetry.write([written(DEVICE, 'x', START, 5), written(DEVICE, 'x', START + MINUTE, 6)])
  for await (const [key, row] of database.entries({ gte: 'minute!', lt: 'minute"', limit: 1 })) {
    row[3]! ^= 1
    await database.write([{ type: 'put', key, value: row }], { sync: false })
  }
  expect((await telemetry.read(DEVICE, 'x', { from: 0, to: START + DAY })).map(({ mean }) => mean)).toEqual([6])
})

test('a damaged history is put aside, told, and does not keep the gateway from starting', async () => {
  const folder = await temporaryFolder()
  const first = await openStore(folder)
  await first.telemetry.write([written(DEVICE, 'x', START)])
  await first.close()
  await writeFile(join(layout(folder).telemetry, 'CURRENT'), 'nonsense')
  const store = await openStore(folder)
  onTestFinished(() => store.close())
  expect(store.warnings).toEqual([expect.stringContaining('history of readings is damaged')])
  expect(await store.telemetry.read(DEVICE, 'x', { from: 0, to: START + DAY })).toEqual([])
  expect(await readdir(folder)).toContain('telemetry.damaged')
})
