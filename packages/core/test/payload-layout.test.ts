import { bytesOf, codeThrownBy as codeOf } from '@usmp/testing'
import { expect, test } from 'vitest'
import { toHex } from '../src/bytes.ts'
import { PacketType } from '../src/constants.ts'
import { encodeError, hello } from '../src/messages.ts'
import { payloadLayoutOf, payloadLayouts, wireCodeName } from '../src/payload-layout.ts'

test('fields stand back to back, and a payload ends with one of them', () => {
  for (const { fields, sizes } of Object.values(payloadLayouts)) {
    let offset = 0
    for (const field of fields) {
      expect(field.offset).toBe(offset)
      offset += field.size
    }
    expect(sizes.at(-1)).toBe(offset)
    for (const size of sizes) expect(fields.some((field) => field.offset + field.size === size)).toBe(true)
  }
})

test.each([
  [PacketType.HELLO, [38, 54]],
  [PacketType.HELLO_RETRY, [16]],
  [PacketType.CHALLENGE, [64]],
  [PacketType.HELLO_ACK, [32]],
  [PacketType.SESSION_OK, [48]],
  [PacketType.REKEY, [32]],
  [PacketType.ERROR, [3]],
])('the sizes of type %i are those of the specification', (type, sizes) => {
  expect(payloadLayoutOf(type)?.sizes).toEqual(sizes)
})

test('what the application fills has no layout', () => {
  for (const type of [PacketType.DATA, PacketType.PING, 0x20]) expect(payloadLayoutOf(type)).toBeUndefined()
})

test('decodes what it encodes, with and without what is optional, into copies', () => {
  const [deviceId, publicKey, cookie] = [bytesOf(6, 1), bytesOf(32, 2), bytesOf(16, 3)]
  for (const given of [undefined, cookie]) {
    const payload = hello.encode({ deviceId, publicKey, cookie: given })
    const fields = hello.decode({ version: 2, type: PacketType.HELLO, seq: 0, payload })
    payload.fill(0)
    expect(fields).toEqual({ deviceId, publicKey, ...(given ? { cookie: given } : {}) })
  }
})

test('refuses every other length', () => {
  for (const length of [0, 37, 39, 53, 55, 480]) {
    const frame = { version: 2, type: PacketType.HELLO, seq: 0, payload: bytesOf(length) }
    expect(codeOf(() => hello.decode(frame))).toBe('BAD_PAYLOAD')
  }
})

test('codes of ERROR frames have names', () => {
  expect([1, 2, 7].map(wireCodeName)).toEqual(['VERSION', 'AUTH', 'INTERNAL'])
  expect([0, 8, 255].map(wireCodeName)).toEqual([undefined, undefined, undefined])
  expect(toHex(encodeError(7))).toBe('070000')
})
