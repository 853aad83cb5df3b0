import { expect } from 'vitest'
import { type ErrorCode, UsmpError } from '../src/errors.ts'

export { concatBytes, fromHex, toHex } from '../src/bytes.ts'

/** The code of the UsmpError that `action` throws; anything else it throws passes through. */
export function codeOf(action: () => unknown): ErrorCode | 'no error' {
  try {
    action()
  } catch (error) {
    if (error instanceof UsmpError) return error.code
    throw error
  }
  return 'no error'
}

/** Bytes that look random and are the same on every run (xorshift32). */
export function pseudoRandom(seed: number): (length: number) => Uint8Array {
  let state = (seed * 2654435761 + 1) >>> 0 || 1
  return (length) =>
    Uint8Array.from({ length }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      state >>>= 0
      return state >>> 11
    })
}

/** `length` bytes that depend on `seed` only. */
export const bytesOf = (length: number, seed = 1): Uint8Array => pseudoRandom(seed)(length)

/** `bytes` with one bit turned; a negative index counts from the end. */
export function flipBit(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const out = bytes.slice()
  const at = index < 0 ? out.length + index : index
  expect(at).toBeLessThan(out.length)
  out[at]! ^= 1 << bit
  return out
}

export const text = (words: string): Uint8Array => new TextEncoder().encode(words)

/** What is left of `all` when some of it is missing: nothing twice, nothing in another order. */
export function inOrderOf<T>(some: readonly T[], all: readonly T[]): boolean {
  let at = 0
  for (const item of all) if (at < some.length && some[at] === item) at++
  return at === some.length
}
