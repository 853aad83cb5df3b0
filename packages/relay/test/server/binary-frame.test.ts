import { expect, test } from 'vitest'
import { frameHeader } from '../../src/server/binary-frame.ts'
import { MAX_RELAYED } from '../../src/wire.ts'

test.each([
  [1, '8201'],
  [125, '827d'],
  [126, '827e007e'],
  [255, '827e00ff'],
  [256, '827e0100'],
  [MAX_RELAYED, '827e01ec'],
])('a message of %i bytes has the header of RFC 6455, section 5.2', (length, expected) => {
  expect(Buffer.from(frameHeader(length)).toString('hex')).toBe(expected)
})

test('other lengths are no messages of a relay', () => {
  expect(() => frameHeader(0)).toThrow(RangeError)
  expect(() => frameHeader(MAX_RELAYED + 1)).toThrow(RangeError)
})
