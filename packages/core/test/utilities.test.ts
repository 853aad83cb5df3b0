import { scryptSync } from 'node:crypto'
import { bytesOf, codeThrownBy as codeOf, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { concatBytes, equalBytes, fromHex, toHex, wipe } from '../src/bytes.ts'
import { packetTypeName } from '../src/constants.ts'
import { formatDeviceId, parseDeviceId } from '../src/device-id.ts'
import { pskFromPassphrase } from '../src/passphrase.ts'
import { assertPsk, deriveDevicePsk } from '../src/psk.ts'

const DEVICE_ID = Uint8Array.of(0x24, 0x6f, 0x28, 0xa1, 0xb2, 0xc3)

describe('device ids', () => {
  test.each(['24:6f:28:a1:b2:c3', '24:6F:28:A1:B2:C3', '24-6f-28-a1-b2-c3', '246f28a1b2c3'])('%s is read', (words) => {
    expect(parseDeviceId(words)).toEqual(DEVICE_ID)
  })

  test.each([
    '',
    '24:6f:28:a1:b2',
    '24:6f:28:a1:b2:c3:00',
    '24:6f:28:a1:b2:g3',
    '246f28a1b2c',
    ' 246f28a1b2c3',
    '24:6f28a1b2c3',
  ])('"%s" is refused', (words) => expect(codeOf(() => parseDeviceId(words))).toBe('INVALID_ARGUMENT'))

  test('bytes are taken if they are six', () => {
    expect(parseDeviceId(DEVICE_ID)).toBe(DEVICE_ID)
    expect(codeOf(() => parseDeviceId(bytesOf(7)))).toBe('INVALID_ARGUMENT')
  })

  test('are shown with colons', () => expect(formatDeviceId(DEVICE_ID)).toBe('24:6f:28:a1:b2:c3'))
})

describe('hex', () => {
  test('is read with white space and colons between bytes, in either case', () => {
    expect(fromHex('AC ac\n05:00')).toEqual(Uint8Array.of(0xac, 0xac, 5, 0))
    expect(toHex(Uint8Array.of(0, 0xab))).toBe('00ab')
  })

  test.each(['a', 'abc', 'zz', '0x00', 'a-'])('"%s" is refused', (digits) => {
    expect(codeOf(() => fromHex(digits))).toBe('INVALID_ARGUMENT')
  })
})

test('bytes: joined, compared, wiped', () => {
  expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3))
  expect(equalBytes(bytesOf(32, 1), bytesOf(32, 1))).toBe(true)
  expect(equalBytes(bytesOf(32, 1), bytesOf(32, 2))).toBe(false)
  expect(equalBytes(bytesOf(32, 1), bytesOf(32, 1).subarray(1))).toBe(false)
  for (let i = 0; i < 32; i++) {
    const other = bytesOf(32, 1)
    other[i]! ^= 0x80
    expect(equalBytes(bytesOf(32, 1), other)).toBe(false)
  }
  const secret = bytesOf(8)
  wipe(secret, undefined)
  expect(secret).toEqual(new Uint8Array(8))
})

test('packet types have names, or a number', () => {
  expect([packetTypeName(1), packetTypeName(0x0b), packetTypeName(0xff), packetTypeName(0x0c)]).toEqual([
    'HELLO',
    'REKEY',
    'ERROR',
    '0x0C',
  ])
})

describe('pre-shared keys', () => {
  test.each([
    ['16 random bytes', bytesOf(16, 3), 'no error'],
    ['32 random bytes', bytesOf(32, 3), 'no error'],
    ['15 bytes', bytesOf(15, 3), 'WEAK_PSK'],
    ['8 byte values', Uint8Array.from({ length: 32 }, (_, i) => i % 8), 'no error'],
    ['7 byte values', Uint8Array.from({ length: 32 }, (_, i) => i % 7), 'WEAK_PSK'],
    ['31 printable characters', text('abcdefghijklmnopqrstuvwxyz01234'), 'WEAK_PSK'],
    ['32 printable characters', text('abcdefghijklmnopqrstuvwxyz012345'), 'no error'],
    ['31 characters, one not printable', text('abcdefghijklmnopqrstuvwxyz0123\n'), 'no error'],
  ])('%s', (_, psk, code) => {
    expect(codeOf(() => assertPsk(psk))).toBe(code)
    expect(codeOf(() => assertPsk(psk, true))).toBe(psk.length < 16 ? 'WEAK_PSK' : 'no error')
  })

  test('a weak master is refused', () => {
    expect(codeOf(() => deriveDevicePsk(new Uint8Array(32), DEVICE_ID))).toBe('WEAK_PSK')
  })

  test('a passphrase goes through scrypt, N = 2^17, r = 8, p = 1, in form NFKC', async () => {
    const salt = bytesOf(16, 8)
    const expected = scryptSync('ﬁve caf\u00e9s'.normalize('NFKC'), salt, 32, {
      N: 2 ** 17,
      r: 8,
      p: 1,
      maxmem: 2 ** 28,
    })
    expect(toHex(await pskFromPassphrase('ﬁve cafe\u0301s', salt))).toBe(toHex(expected))
  })

  test('a passphrase needs a salt of 16 bytes and something in it', async () => {
    await expect(pskFromPassphrase('x', bytesOf(15))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(pskFromPassphrase('', bytesOf(16))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
