import { bytesOf, codeThrownBy as codeOf, flipBit } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../src/bytes.ts'
import { CookieIssuer } from '../src/cookie.ts'
import { nobleProvider } from '../src/crypto-noble.ts'

const SECRET = bytesOf(32, 4)
const jar = new CookieIssuer(nobleProvider, SECRET)
const address = Uint8Array.of(192, 0, 2, 7)
const START = 1_000_000 * 30_000

describe('cookie (specification, section 7.2)', () => {
  const cookie = jar.at(address, 9000, START + 29_999).issue()

  test('is the mac of slot, address and port', () => {
    const slot = Uint8Array.of(0x40, 0x42, 0x0f, 0, 0, 0, 0, 0)
    const mac = nobleProvider.hmacSha256(SECRET, concatBytes(slot, address, Uint8Array.of(0x28, 0x23)))
    expect(cookie).toEqual(mac.slice(0, 16))
  })

  test.each([
    ['in its slot', address, 9000, START, true],
    ['in the next slot', address, 9000, START + 59_999, true],
    ['a slot later', address, 9000, START + 60_000, false],
    ['before its time', address, 9000, START - 1, false],
    ['from another address', Uint8Array.of(192, 0, 2, 8), 9000, START, false],
    ['from another port', address, 9001, START, false],
    ['from an IPv6 address that begins alike', concatBytes(address, new Uint8Array(12)), 9000, START, false],
  ])('%s', (_, from, port, now, good) => expect(jar.at(from, port, now).verify(cookie)).toBe(good))

  test('no bit may differ', () => {
    for (let i = 0; i < 16; i++) expect(jar.at(address, 9000, START).verify(flipBit(cookie, i, i % 8))).toBe(false)
    expect(jar.at(address, 9000, START).verify(cookie.subarray(1))).toBe(false)
  })

  test('another secret, another cookie', () => {
    expect(new CookieIssuer(nobleProvider, bytesOf(32, 5)).at(address, 9000, START).verify(cookie)).toBe(false)
  })

  test('in the first slot there is none before it', () => {
    const first = jar.at(address, 1, 0)
    expect(first.verify(first.issue())).toBe(true)
  })

  test('refuses what is no address', () => {
    expect(codeOf(() => jar.at(bytesOf(5), 1, 0))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => jar.at(address, 65_536, 0))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => new CookieIssuer(nobleProvider, bytesOf(31)))).toBe('INVALID_ARGUMENT')
  })
})
