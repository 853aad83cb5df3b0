import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { decodeJoin, encodeJoin, MAX_JOIN, MAX_TOKEN, ROUTE_SIZE, type Side } from '../src/wire.ts'

const joins = fc.record({
  route: fc.uint8Array({ minLength: ROUTE_SIZE, maxLength: ROUTE_SIZE }),
  side: fc.constantFrom<Side>(0, 1),
  pairing: fc.boolean(),
  token: fc.uint8Array({ maxLength: MAX_TOKEN }),
})

test.prop([joins])('a JOIN is read as it was written', (join) => {
  const bytes = encodeJoin(join)
  expect(bytes.length).toBeLessThanOrEqual(MAX_JOIN)
  expect(decodeJoin(bytes)).toEqual(join)
})

test.prop([joins, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 })])(
  'what is cut short, longer, or of another version is none',
  (join, cut, more) => {
    const bytes = encodeJoin(join)
    expect(decodeJoin(bytes.subarray(0, cut % bytes.length))).toBeUndefined()
    expect(decodeJoin(Uint8Array.of(...bytes, ...more))).toBeUndefined()
    expect(decodeJoin(Uint8Array.of(0x55, 0x52, 0x02, ...bytes.subarray(3)))).toBeUndefined()
  },
)

test('the layout is that of the specification', () => {
  const route = Uint8Array.from({ length: 16 }, (_, index) => index)
  const bytes = encodeJoin({ route, side: 1, pairing: true, token: Uint8Array.of(0xaa, 0xbb) })
  expect(Buffer.from(bytes).toString('hex')).toBe('55520103000102030405060708090a0b0c0d0e0f02aabb')
})
