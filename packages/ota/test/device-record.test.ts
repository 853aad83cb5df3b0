import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { type DeviceRecord, decodeRecord, encodeRecord } from '../src/device-record.ts'
import { publisher } from './publisher.ts'
import { manifestFor } from './support/world.ts'

const manifest = manifestFor(new Uint8Array(10).fill(1), { name: 'n', nextKey: publisher(2).publicKey })
const u32 = fc.nat(0xffff_ffff)
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((raw) => Buffer.from(raw).toString('hex'))
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

const records: fc.Arbitrary<DeviceRecord> = fc.record({
  trust: fc.record({
    counter: u32,
    keys: fc.array(key, { minLength: 1, maxLength: 3 }),
    revoked: fc.array(hex(8), { maxLength: 8 }),
  }),
  image: fc.option(
    fc.record({
      manifest: fc.constant(manifest),
      phase: fc.constantFrom('receiving' as const, 'staged' as const, 'applied' as const),
      slot: fc.nat(1),
      offset: u32,
    }),
    { nil: undefined },
  ),
  runningSha256: fc.option(hex(32), { nil: undefined }),
  rolledBack: fc.option(hex(32), { nil: undefined }),
})

describe('the record of a device', () => {
  property.prop([records])('is read as it was written, and is small', (record) => {
    const bytes = encodeRecord(record)
    expect(decodeRecord(bytes)).toEqual(record)
    expect(bytes.length).toBeLessThan(2048)
  })

  test.each<[string, (record: Record<string, unknown>) => unknown]>([
    ['of another format', (record) => ({ ...record, format: 2 })],
    ['without keys', (record) => ({ ...record, keys: [] })],
    ['with a key that is short', (record) => ({ ...record, keys: ['00'] })],
    ['with a counter below 0', (record) => ({ ...record, counter: -1 })],
    [
      'with an image that is no manifest',
      (record) => ({ ...record, image: { ...(record.image as object), manifest: '00' } }),
    ],
    ['of a phase that nobody knows', (record) => ({ ...record, image: { ...(record.image as object), phase: 'new' } })],
    ['that is no object', () => 7],
  ])('%s is damaged', (_, change) => {
    const good: DeviceRecord = {
      trust: { counter: 1, keys: [publisher(1).publicKey], revoked: [] },
      image: { manifest, phase: 'staged', slot: 1, offset: 10 },
      runningSha256: undefined,
      rolledBack: undefined,
    }
    const changed = change(JSON.parse(new TextDecoder().decode(encodeRecord(good))))
    expect(() => decodeRecord(new TextEncoder().encode(JSON.stringify(changed)))).toThrow()
  })

  test('that is cut short is damaged', () => {
    const bytes = encodeRecord({
      trust: { counter: 1, keys: [publisher(1).publicKey], revoked: [] },
      image: undefined,
      runningSha256: undefined,
      rolledBack: undefined,
    })
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeRecord(bytes.subarray(0, length))).toThrow()
  })
})
