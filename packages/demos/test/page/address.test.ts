import { expect, test } from 'vitest'
import { checked, credentialsOf, pageAddress, pskOf } from '../../src/robolink/page/address.ts'

const operator = '02:00:00:00:00:0a'
const key = '00112233445566778899aabbccddeeff'.repeat(2)

test('credentials go through an address, and only behind its #', () => {
  const address = new URL(pageAddress('https://127.0.0.1:8443/', { operator, key }))
  expect(address.origin + address.pathname + address.search).toBe('https://127.0.0.1:8443/')
  expect(credentialsOf(address.hash)).toEqual({ operator, key })
  expect(pskOf({ operator, key })).toHaveLength(32)
})

test('an address without credentials has none', () => {
  expect(credentialsOf('')).toBeUndefined()
  expect(credentialsOf('#somewhere')).toBeUndefined()
})

test('what was copied with spaces or capitals is taken', () => {
  expect(checked({ operator: ' 02:00:00:00:00:0A ', key: ` ${key.toUpperCase()}\n` })).toEqual({ operator, key })
})

test('unusable credentials are refused without telling the key', () => {
  const secret = 'c0ffee'
  for (const hash of [`#operator=${operator}`, `#key=${key}`, `#operator=me&key=${key}`]) {
    expect(() => credentialsOf(hash)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  }
  expect(() => checked({ operator, key: secret })).toThrow(/this one has 6$/)
  expect(() => checked({ operator, key: `${secret} oh` })).toThrow(/other characters/)
})
