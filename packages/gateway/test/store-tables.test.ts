import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from '../src/store/crc32c.js'
import { Database } from '../src/store/database.js'
import { findDamagedTable } from '../src/store/table-check.js'
import { temporaryFolder } from './support/temporary-store.js'

test('CRC-32C gives the published values', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  // RFC 3720, B.4
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
})

test('every changed byte of a table is found, but in the padding of its footer', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'db')
  const database = await Database.open<string>(path, { probe: join(folder, 'probe'), encoding: 'utf8', create: true })
  const rows = Array.from({ length: 500 }, (_, i) => ({
    type: 'put' as const,
    key: `key ${i}`,
    value: `value ${i}`.repeat(9),
  }))
  await database.write(rows, { sync: true })
  await database.compact({ gte: '', lt: '~' })
  await database.close()
  expect(await findDamagedTable(path)).toBeUndefined()
  const [name] = (await readdir(path)).filter((each) => each.endsWith('.ldb'))
  const whole = await readFile(join(path, name!))
  const footer = whole.length - 48
  await fc.assert(
    fc.asyncProperty(fc.nat(footer - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const changed = Buffer.from(whole)
      changed[at]! ^= flip
      await writeFile(join(path, name!), changed)
      expect(await findDamagedTable(path)).toBe(name)
    }),
    { numRuns: 60 },
  )
  for (const size of [0, 1, 47, 48, 100, footer, whole.length - 1]) {
    await writeFile(join(path, name!), whole.subarray(0, size))
    expect(await findDamagedTable(path)).toBe(name)
  }
})
