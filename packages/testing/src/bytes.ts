import { pseudoRandom } from './random.js'

/** `length` bytes that depend on `seed` only. */
export const bytesOf = (length: number, seed = 1): Uint8Array => pseudoRandom(seed)(length)

/** `length` bytes that tell their position and their `seed`. */
export const pattern = (length: number, seed = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + seed)

/** `bytes` with one bit turned; a negative index counts from the end. */
export function flipBit(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const out = bytes.slice()
  const at = index < 0 ? out.length + index : index
  if (at < 0 || at >= out.length) throw new RangeError(`there is no byte ${index} in ${out.length}`)
  out[at]! ^= 1 << bit
  return out
}

/** The UTF-8 of a text. */
export const text = (words: string): Uint8Array => new TextEncoder().encode(words)

/** The text of UTF-8. */
export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)

/**
 * Compares quickly; only a difference costs the time of a report.
 * @throws Error with both arrays in hex if they differ
 */
export function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  if (actual && Buffer.compare(actual, expected) === 0) return
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  const seen = actual ? `${actual.length} bytes, ${hex(actual)}` : 'nothing'
  throw new Error(`expected ${expected.length} bytes, ${hex(expected)}; got ${seen}`)
}

/** What is left of `all` when some of it is missing: nothing twice, nothing in another order. */
export function inOrderOf<T>(some: readonly T[], all: readonly T[]): boolean {
  let at = 0
  for (const item of all) if (at < some.length && some[at] === item) at++
  return at === some.length
}
