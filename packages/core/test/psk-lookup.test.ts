import { describe, expect, test } from 'vitest'
import { UsmpError } from '../src/errors.ts'
import { lookUpPsk } from '../src/psk-lookup.ts'

const ID = 'aa:bb:cc:dd:ee:ff'
const psk = Uint8Array.from({ length: 32 }, (_, index) => index * 37)

describe('a look-up of a key', () => {
  test.each([
    ['at once', () => ({ psk })],
    ['later', async () => ({ psk })],
  ])('gives the answer that comes %s', async (_, authorize) => {
    expect(await lookUpPsk(authorize, ID, 2)).toEqual({ authorization: { psk } })
  })

  test('tells the device and its wire version', async () => {
    const told: unknown[] = []
    const authorize = (...call: unknown[]) => {
      told.push(call)
      return null
    }
    await lookUpPsk(authorize, ID, 1)
    expect(told).toEqual([[ID, 1]])
  })

  test.each([null, undefined as never])('an unknown device is no fault: %s', async (answer) => {
    expect(await lookUpPsk(() => answer, ID, 2)).toEqual({ authorization: null })
  })

  test('a key that is unusable counts as unknown, and the fault says what it is', async () => {
    const weak = await lookUpPsk(() => ({ psk: new Uint8Array(32) }), ID, 2)
    expect(weak).toMatchObject({ authorization: null, fault: { code: 'WEAK_PSK' } })
    const wrong = await lookUpPsk(() => 'a key' as never, ID, 2)
    expect(wrong).toMatchObject({ authorization: null, fault: { code: 'INVALID_ARGUMENT' } })
  })

  test.each([new Error('no database'), new UsmpError('AUTH_FAILED'), 'text'])(
    'what the application throws is PSK_LOOKUP_FAILED: %s',
    async (thrown) => {
      const answer = await lookUpPsk(() => Promise.reject(thrown), ID, 2)
      expect(answer).toMatchObject({ authorization: null, fault: { code: 'PSK_LOOKUP_FAILED', cause: thrown } })
    },
  )
})
