import { fc, test } from '@fast-check/vitest'
import { fromHex, nobleProvider, toHex, UsmpError } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import { describe, expect } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { pairKeysFrom } from '../../src/pair-keys.ts'
import vectors from './vectors.json' with { type: 'json' }

const code = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return error instanceof UsmpError ? error.code : String(error)
  }
  return 'nothing thrown'
}
const identityOf = (seed: number): Identity =>
  Identity.generate((length) => new Uint8Array(length).map((_, i) => seed * 7 + i))

describe.each([nobleProvider, nodeProvider])('with the provider $name', (provider) => {
  test.each(vectors.pairs)('keys of a pair are those of the vectors, $day', (vector) => {
    const pair = vector.secrets.map((secret) => Identity.fromSecret(fromHex(secret), provider))
    expect(pair.map((identity) => toHex(identity.publicKey))).toEqual(vector.publicKeys)
    for (const [index, identity] of pair.entries()) {
      const peer = pair[1 - index]!.publicKey
      expect(toHex(identity.pairKey(peer))).toBe(vector.pairKey)
      const keys = identity.pairWith(peer)
      expect(keys.side).toBe(vector.sides[index])
      expect(toHex(keys.psk)).toBe(vector.psk)
      expect(toHex(keys.route(vector.day))).toBe(vector.route)
      expect(toHex(keys.deviceId(vector.day))).toBe(vector.deviceId)
    }
  })

  test('points of low order are refused', () => {
    const identity = Identity.generate(undefined, provider)
    // u = 0, u = 1, u = p − 1, and the two of order 8 (RFC 7748, section 6.1, leaves them to be found by the result).
    const low = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      `ec${'ff'.repeat(30)}7f`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    ]
    for (const point of low) expect(code(() => identity.pairWith(fromHex(point)))).toBe('LOW_ORDER_POINT')
  })
})

test('a key that was given to a device makes the same keys', () => {
  const [vector] = vectors.pairs
  for (const side of [0, 1] as const) {
    const keys = pairKeysFrom(fromHex(vector!.pairKey), side)
    expect(keys.side).toBe(side)
    expect([keys.psk, keys.route(vector!.day), keys.deviceId(vector!.day)].map((bytes) => toHex(bytes))).toEqual([
      vector!.psk,
      vector!.route,
      vector!.deviceId,
    ])
  }
})

test('one’s own key is refused', () => {
  const identity = identityOf(1)
  expect(code(() => identity.pairWith(identity.publicKey))).toBe('INVALID_ARGUMENT')
})

test('a key has one form: the top bit, and numbers from the prime on, are refused', () => {
  const identity = identityOf(2)
  const flipped = identityOf(3).publicKey.slice()
  flipped[31]! |= 0x80
  expect(code(() => identity.pairWith(flipped))).toBe('INVALID_ARGUMENT')
  for (const first of ['ed', 'ee', 'ff']) {
    expect(code(() => identity.pairWith(fromHex(`${first}${'ff'.repeat(30)}7f`)))).toBe('INVALID_ARGUMENT')
  }
  // The largest numbers below the prime are keys.
  expect(identity.pairWith(fromHex(`eb${'ff'.repeat(30)}7f`)).side).toBeTypeOf('number')
  expect(identity.pairWith(fromHex(`ed${'ff'.repeat(29)}fe7f`)).side).toBeTypeOf('number')
})

test.prop([fc.uint8Array({ maxLength: 70 }).filter((key) => key.length !== 32)])('keys have 32 bytes', (key) => {
  const identity = identityOf(4)
  expect(code(() => identity.pairWith(key))).toBe('INVALID_ARGUMENT')
  expect(code(() => Identity.fromSecret(key))).toBe('INVALID_ARGUMENT')
  expect(code(() => pairKeysFrom(key, 0))).toMatch(/^(INVALID_ARGUMENT|WEAK_PSK)$/)
})

test.prop([fc.string()])('a day is a day', (day) => {
  const keys = identityOf(5).pairWith(identityOf(6).publicKey)
  expect(code(() => keys.route(day))).toBe('INVALID_ARGUMENT')
  expect(code(() => keys.deviceId(day))).toBe('INVALID_ARGUMENT')
})

test('days and pairs have routes, device ids and keys of their own', () => {
  const [anna, bert, carl] = [identityOf(7), identityOf(8), identityOf(9)]
  const keys = [anna.pairWith(bert.publicKey), anna.pairWith(carl.publicKey), bert.pairWith(carl.publicKey)]
  const days = ['2026-11-29', '2026-11-30', '2026-12-01']
  const routes = keys.flatMap((pair) => days.map((day) => toHex(pair.route(day))))
  const ids = keys.flatMap((pair) => days.map((day) => toHex(pair.deviceId(day))))
  expect(new Set(routes).size).toBe(9)
  expect(new Set(ids).size).toBe(9)
  expect(new Set(keys.map((pair) => toHex(pair.psk))).size).toBe(3)
  for (const id of ids) expect(Number.parseInt(id.slice(0, 2), 16) & 3).toBe(2)
})

test('what was wiped is gone, and derives nothing from zeros', () => {
  const identity = identityOf(10)
  const peer = identityOf(11).publicKey
  const keys = identity.pairWith(peer)
  const { psk } = keys
  keys.wipe()
  expect(psk).toEqual(new Uint8Array(32))
  expect(code(() => keys.route('2026-11-30'))).toBe('INVALID_ARGUMENT')
  identity.wipe()
  expect(code(() => identity.exportSecret())).toBe('INVALID_ARGUMENT')
  expect(code(() => identity.pairWith(peer))).toBe('INVALID_ARGUMENT')
})

test('who prints or serializes an identity or the keys of a pair shows no secret', async () => {
  const { inspect } = await import('node:util')
  const identity = identityOf(10)
  const keys = identity.pairWith(identityOf(11).publicKey)
  const shown = [identity, keys].map((object) => inspect(object, { depth: 5 }) + JSON.stringify(object)).join()
  for (const secret of [keys.psk, identity.exportSecret()]) {
    const [one, two, three] = secret
    expect(shown).not.toMatch(new RegExp(`\\b${one},\\s*${two},\\s*${three}\\b|"0":${one},"1":${two},"2":${three}\\b`))
  }
})

test('a secret key is copied on its way in and out', () => {
  const secret = new Uint8Array(32).map((_, index) => index + 1)
  const identity = Identity.fromSecret(secret)
  const before = toHex(identity.exportSecret())
  secret.fill(9)
  identity.exportSecret().fill(8)
  expect(toHex(identity.exportSecret())).toBe(before)
})

test('a random source that fails is told', () => {
  expect(code(() => Identity.generate(() => new Uint8Array(31)))).toBe('RANDOM_FAILED')
  expect(
    code(() =>
      Identity.generate(() => {
        throw new Error('no entropy')
      }),
    ),
  ).toBe('RANDOM_FAILED')
})

test('two identities of the platform differ', () => {
  expect(toHex(Identity.generate().publicKey)).not.toBe(toHex(Identity.generate().publicKey))
})
