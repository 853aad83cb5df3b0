import { createHmac } from 'node:crypto'
import { bytesOf, codeThrownBy as codeOf, DEVICE_ID_BYTES as DEVICE_ID } from '@usmp/testing'
import { expect, test } from 'vitest'
import { formatDeviceId } from '../src/device-id.ts'
import { pskFingerprint } from '../src/fingerprint.ts'

const KEY = bytesOf(32, 3)

/** Written apart from the source: by text of bits. */
function expected(psk: Uint8Array, id: Uint8Array): string {
  const mac = createHmac('sha256', psk).update('usmp-fingerprint-v1').update(id).digest().subarray(0, 5)
  const bits = [...mac].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = bits.match(/.{5}/g)!.map((five) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number.parseInt(five, 2)])
  return `${digits.slice(0, 4).join('')}-${digits.slice(4).join('')}`
}

test('the fingerprint of a key is 40 bits of an HMAC over the device id, in digits that people tell apart', () => {
  for (const seed of [1, 2, 3, 250]) {
    const key = bytesOf(32, seed)
    expect(pskFingerprint(key, DEVICE_ID)).toBe(expected(key, DEVICE_ID))
    expect(pskFingerprint(key, DEVICE_ID)).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
  }
})

test('it is the same for the text of the id, and another one for another id', () => {
  const other = DEVICE_ID.map((byte) => byte ^ 1)
  expect(pskFingerprint(KEY, formatDeviceId(DEVICE_ID))).toBe(pskFingerprint(KEY, DEVICE_ID))
  expect(pskFingerprint(KEY, other)).not.toBe(pskFingerprint(KEY, DEVICE_ID))
})

test('what is no key or no id is refused', () => {
  expect(codeOf(() => pskFingerprint(KEY.subarray(0, 15), DEVICE_ID))).toBe('WEAK_PSK')
  expect(codeOf(() => pskFingerprint('a'.repeat(64) as never, DEVICE_ID))).toBe('INVALID_ARGUMENT')
  expect(codeOf(() => pskFingerprint(KEY, 'nothing'))).toBe('INVALID_ARGUMENT')
})
