import { fc, test } from '@fast-check/vitest'
import { fromHex, toHex } from '@usmp/core'
import { codeThrownBy, pseudoRandom } from '@usmp/testing'
import { expect } from 'vitest'
import { cpaceGenerator, cpaceKey, cpaceProduct, cpaceScalar, cpaceShare } from '../../src/cpace.ts'
import figures from './cpace.json' with { type: 'json' }

const hex = (text: string): Uint8Array => fromHex(text)
const numberOf = (littleEndian: string): bigint =>
  hex(littleEndian).reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n)
const input = { password: hex(figures.password), channel: hex(figures.channel), sessionId: hex(figures.sessionId) }
const ends = [figures.initiator, figures.responder] as const
const messages = ends.map(({ share, data }) => ({ share: hex(share), data: hex(data) }))

test('the generator and the shares are those of the draft', () => {
  const generator = cpaceGenerator(input)
  expect(toHex(generator.toBytes())).toBe(figures.generator)
  for (const { scalar, share } of ends) expect(toHex(cpaceShare(generator, numberOf(scalar)))).toBe(share)
})

test('both ends get the key of the draft', () => {
  for (const [index, { scalar }] of ends.entries()) {
    const peer = messages[1 - index]!.share
    expect(toHex(cpaceProduct(numberOf(scalar), peer))).toBe(figures.shared)
    expect(toHex(cpaceKey(input.sessionId, numberOf(scalar), peer, messages[0]!, messages[1]!))).toBe(figures.key)
  }
})

test('a multiplication of the draft', () => {
  const { scalar, point, product } = figures.multiplication
  expect(toHex(cpaceProduct(numberOf(scalar), hex(point)))).toBe(product)
})

test('what is no element of the group, and the neutral one, is refused', () => {
  const scalar = numberOf(figures.multiplication.scalar)
  // Besides the draft's: not below the prime, negative, the top bit set, too short and too long.
  const more = [`ed${'ff'.repeat(30)}7f`, `01${'00'.repeat(31)}`, `${'00'.repeat(31)}80`, '00', '00'.repeat(33), '']
  for (const share of [...figures.invalid, ...more]) {
    expect(codeThrownBy(() => cpaceProduct(scalar, hex(share)))).toBe('LOW_ORDER_POINT')
  }
})

test.prop([fc.uint8Array({ minLength: 32, maxLength: 32 })])('any 32 bytes are refused, or are a share', (bytes) => {
  expect(['LOW_ORDER_POINT', 'no error']).toContain(codeThrownBy(() => cpaceProduct(7n, bytes)))
})

const short = fc.uint8Array({ maxLength: 20 })
test.prop([short, short, short, short, fc.nat(4)], { numRuns: 25 })(
  'the keys are the same only if all that both ends know is the same',
  (password, sessionId, dataA, dataB, change) => {
    const random = pseudoRandom(1)
    const changed = (bytes: Uint8Array, number: number) => (change === number ? Uint8Array.of(...bytes, 1) : bytes)
    const own = { password, channel: Uint8Array.of(1), sessionId }
    const other = { ...own, password: changed(password, 1), sessionId: changed(sessionId, 2) }
    const [scalarA, scalarB] = [cpaceScalar(random), cpaceScalar(random)]
    const [a, b] = [cpaceShare(cpaceGenerator(own), scalarA), cpaceShare(cpaceGenerator(other), scalarB)]
    const keyA = cpaceKey(own.sessionId, scalarA, b, { share: a, data: dataA }, { share: b, data: dataB })
    const sides = [
      { share: a, data: changed(dataA, 3) },
      { share: b, data: changed(dataB, 4) },
    ] as const
    const keyB = cpaceKey(other.sessionId, scalarB, a, ...sides)
    expect(toHex(keyA) === toHex(keyB)).toBe(change === 0)
  },
)

test('parts cannot be moved from one input to the next', () => {
  const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
  const first = cpaceGenerator({ password: a, channel: b, sessionId: a })
  const second = cpaceGenerator({ password: a, channel: Uint8Array.of(3, 1), sessionId: Uint8Array.of(2) })
  expect(toHex(first.toBytes())).not.toBe(toHex(second.toBytes()))
})

test('a long password has a length of two bytes', () => {
  // 130 bytes: 0x82 0x01 in base 128. A one-byte length would make this the password of another split.
  const long = cpaceGenerator({ ...input, password: new Uint8Array(130).fill(5) })
  expect(long.is0()).toBe(false)
  expect(toHex(long.toBytes())).not.toBe(
    toHex(cpaceGenerator({ ...input, password: new Uint8Array(2).fill(5) }).toBytes()),
  )
})

test('a random source that gives zeros, or too little, makes no scalar', () => {
  expect(codeThrownBy(() => cpaceScalar((length) => new Uint8Array(length)))).toBe('RANDOM_FAILED')
  expect(codeThrownBy(() => cpaceScalar(() => new Uint8Array(31)))).toBe('RANDOM_FAILED')
  expect(cpaceScalar((length) => new Uint8Array(length).fill(255))).toBe(2n ** 252n - 1n)
})
