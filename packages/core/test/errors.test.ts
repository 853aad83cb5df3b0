import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { asUsmpError, errorCodes, UsmpError } from '../src/errors.ts'

const families = ['usage', 'platform', 'transport', 'frame', 'handshake', 'session', 'end']

describe.each(errorCodes)('%s', (code) => {
  const error = new UsmpError(code)

  test('has family, message and hint', () => {
    expect(families).toContain(error.family)
    expect(error.message).toMatch(/^[a-z].{9,}[^.]$/)
    expect(error.hint).toMatch(/^[A-Z].{9,}[.?]$/s)
    expect(typeof error.retryable).toBe('boolean')
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('UsmpError')
  })

  test('names an ERROR code of the wire, or none', () => {
    expect([undefined, 1, 2, 3, 4, 5, 6, 7]).toContain(error.wireCode)
  })
})

test('docs/errors.md has an entry for every code and for nothing else', () => {
  const document = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const headings = [...document.matchAll(/^### `?([A-Z_]+)`?\s*$/gm)].map((match) => match[1])
  expect([...headings].sort()).toEqual([...errorCodes].sort())
})

test('a detail follows the general sentence, a hint of its own replaces the general one', () => {
  const error = new UsmpError('BAD_LENGTH', '481', { hint: 'Look at the cable.', cause: 'noise' })
  expect(error.message).toBe(`${new UsmpError('BAD_LENGTH').message}: 481`)
  expect(error).toMatchObject({ hint: 'Look at the cable.', cause: 'noise' })
  expect('cause' in new UsmpError('BAD_LENGTH')).toBe(false)
})

test('foreign errors are wrapped with their cause, own ones stay themselves', () => {
  const own = new UsmpError('CLOSED')
  expect(asUsmpError(own, 'CRYPTO_FAILED')).toBe(own)
  const foreign = new TypeError('no such method')
  expect(asUsmpError(foreign, 'CRYPTO_FAILED')).toMatchObject({ code: 'CRYPTO_FAILED', cause: foreign })
  expect(asUsmpError(foreign, 'CRYPTO_FAILED').message).toMatch(/no such method/)
  expect(asUsmpError('plain', 'TRANSPORT_FAILED')).toMatchObject({ code: 'TRANSPORT_FAILED', cause: 'plain' })
})
