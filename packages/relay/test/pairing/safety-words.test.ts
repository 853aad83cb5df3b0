import { wordlist } from '@scure/bip39/wordlists/english.js'
import { fromHex } from '@usmp/core'
import { codeThrownBy } from '@usmp/testing'
import { expect, test } from 'vitest'
import { safetyWords } from '../../src/safety-words.ts'
import vectors from './vectors.json' with { type: 'json' }

test('the words are those of the vectors, the smaller key first, at both ends the same', () => {
  const lines = [...vectors.safetyWords].sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))
  const [one, two] = lines.map(({ publicKey }) => fromHex(publicKey))
  const expected = lines.map(({ words }) => words.map((number) => wordlist[number]).join(' '))
  expect(safetyWords(one!, two!)).toEqual(expected)
  expect(safetyWords(two!, one!)).toEqual(expected)
})

test('what is no key, and one’s own, has no words', () => {
  const key = fromHex(vectors.safetyWords[0]!.publicKey)
  expect(codeThrownBy(() => safetyWords(key, key))).toBe('INVALID_ARGUMENT')
  expect(codeThrownBy(() => safetyWords(key, key.subarray(1)))).toBe('INVALID_ARGUMENT')
  expect(codeThrownBy(() => safetyWords(new Uint8Array(32).fill(255), key))).toBe('INVALID_ARGUMENT')
})
