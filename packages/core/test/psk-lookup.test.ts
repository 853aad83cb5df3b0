import { describe, expect, test } from 'vitest'
import { UsmpError } from '../src/errors.ts'
import { PskLookup } from '../src/psk-lookup.ts'
import { bytesOf } from './helpers.ts'

const ID = 'aa:bb:cc:dd:ee:ff'
const psk = Uint8Array.from({ length: 32 }, (_, index) => index * 37)

describe('a look-up of a key', () => {
  test.each([
    ['at once', () => ({ psk })],
    ['later', async () => ({ psk })],
  ])('gives the answer that comes %s', async (_, authorize) => {
    const lookup = new PskLookup(authorize)
    expect(await lookup.find(ID, 2)).toEqual({ psk })
    expect(lookup.fault).toBeUndefined()
  })

  test('an unknown device is no fault', async () => {
    for (const answer of [null, undefined as never]) {
      const lookup = new PskLookup(() => answer)
      expect(await lookup.find(ID, 2)).toBeNull()
      expect(lookup.fault).toBeUndefined()
    }
  })

  test('a key that is unusable counts as unknown, and the fault says what it is', async () => {
    const weak = new PskLookup(() => ({ psk: new Uint8Array(32) }))
    expect(await weak.find(ID, 2)).toBeNull()
    expect(weak.fault).toMatchObject({ code: 'WEAK_PSK' })
    const wrong = new PskLookup(() => 'a key' as never)
    expect(await wrong.find(ID, 2)).toBeNull()
    expect(wrong.fault).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test.each([new Error('no database'), new UsmpError('AUTH_FAILED'), 'text'])(
    'what the application throws is PSK_LOOKUP_FAILED: %s',
    async (thrown) => {
      const lookup = new PskLookup(() => Promise.reject(thrown))
      expect(await lookup.find(ID, 2)).toBeNull()
      expect(lookup.fault).toMatchObject({ code: 'PSK_LOOKUP_FAILED', cause: thrown })
    },
  )

  test('the next look-up forgets the fault of the last one', async () => {
    const answers = [{ psk: bytesOf(3) }, { psk }]
    const lookup = new PskLookup(() => answers.shift()!)
    await lookup.find(ID, 2)
    expect(lookup.fault).toBeDefined()
    expect(await lookup.find(ID, 2)).toEqual({ psk })
    expect(lookup.fault).toBeUndefined()
  })
})
