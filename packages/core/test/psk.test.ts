import { bytesOf, codeThrownBy as codeOf, DEVICE_ID_BYTES as DEVICE_ID, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import { Connection } from '../src/connection.ts'
import { UsmpError } from '../src/errors.ts'
import { assertPsk, deriveDevicePsk, parsePsk } from '../src/psk.ts'

const KEY = bytesOf(32, 3)
const HEX = toHex(KEY)

function errorOf(action: () => unknown): UsmpError {
  try {
    action()
  } catch (error) {
    if (error instanceof UsmpError) return error
  }
  throw new Error('no UsmpError')
}

describe('a key in hex digits', () => {
  test.each([
    ['as keygen writes it', `${HEX}\n`],
    ['with the line end of Windows', `${HEX}\r\n`],
    ['with a BOM', `\uFEFF${HEX}`],
    ['in capitals, with 0x', `0x${HEX.toUpperCase()}`],
    ['in quotes, as JSON has it', `"${HEX}"\n`],
    ['in single quotes, with 0x', `'0x${HEX}'`],
    ['with colons', toHex(KEY, ':')],
    ['over two lines', `${HEX.slice(0, 32)}\n${HEX.slice(32)}\n`],
  ])('is read %s', (_, written) => expect(toHex(parsePsk(written))).toBe(HEX))

  test.each([
    ['', 'INVALID_ARGUMENT', 'the key is empty'],
    [' \n', 'INVALID_ARGUMENT', 'the key is empty'],
    [`${HEX}\n${HEX}\n`, 'INVALID_ARGUMENT', 'more than one key'],
    [HEX.slice(1), 'INVALID_ARGUMENT', '63 hex digits: one is missing'],
    [Buffer.from(KEY).toString('base64'), 'INVALID_ARGUMENT', 'looks like Base64'],
    [Buffer.from(KEY).toString('base64url'), 'INVALID_ARGUMENT', 'looks like Base64'],
    ['correct horse battery staple', 'INVALID_ARGUMENT', 'not a key in hex digits'],
    [`"${HEX}'`, 'INVALID_ARGUMENT', 'not a key in hex digits'],
    [HEX.slice(0, 30), 'WEAK_PSK', '15 bytes'],
    ['ab'.repeat(32), 'WEAK_PSK', 'repeats'],
    [toHex(text(HEX)), 'INVALID_ARGUMENT', 'psk is a text of hex digits'],
  ])('%j is refused as what it is', (written, code, message) => {
    const error = errorOf(() => parsePsk(written))
    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
    if (written.trim() !== '') expect(error.message + error.hint).not.toContain(written)
  })

  test('a text that is no text is refused', () => {
    expect(codeOf(() => parsePsk(text(HEX) as never))).toBe('INVALID_ARGUMENT')
  })
})

describe('64 hex digits handed over as bytes', () => {
  const utf16 = new Uint8Array(Buffer.from(`\uFEFF${HEX}\r\n`, 'utf16le'))
  test.each([
    ['as they are', text(HEX)],
    ['with a newline, as a file has them', text(`${HEX}\n`)],
    ['with a BOM and 0x', concatBytes(Uint8Array.of(0xef, 0xbb, 0xbf), text(`0x${HEX}`))],
    ['in quotes', text(`"${HEX}"`)],
    ['in UTF-16', utf16],
  ])('are refused with what to do: %s', (_, psk) => {
    const error = errorOf(() => assertPsk(psk))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain('psk is a text of hex digits')
    expect(error.hint).toContain('parsePsk(text)')
    expect(error.hint).toContain('readPskFile(path)')
  })

  test('are refused by a client, by a server and as a master key', () => {
    const psk = text(HEX)
    expect(
      errorOf(() => Connection.client({ kind: 'stream', random: bytesOf, psk, deviceId: DEVICE_ID } as never, 0)).hint,
    ).toContain('parsePsk')
    expect(errorOf(() => deriveDevicePsk(psk, DEVICE_ID)).hint).toContain('parsePsk')
  })

  test('pass where they are meant, as firmware in the field may hold them', () => {
    expect(() => assertPsk(text(HEX), true)).not.toThrow()
  })

  test('a string is refused with the same hint', () => {
    expect(errorOf(() => assertPsk(HEX)).hint).toContain('parsePsk(text)')
  })
})
