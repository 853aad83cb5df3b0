import { UsmpError } from '@usmp/core'

/** The longest name, bytes of UTF-8. */
export const MAX_NAME_SIZE = 32

/** Letters, digits, their accents, punctuation, symbols and the plain space. */
const PRINTABLE = /^[\p{L}\p{N}\p{M}\p{P}\p{S} ]+$/u
/** Nothing is seen of these, though they count as letters or symbols: fillers, selectors, the empty cell of Braille. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2800]/u
/** Spaces that nobody sees, and an accent without its letter. */
const LOOSE = /^[ \p{M}]| $| {2}/u

/** What is wrong with the name of a peer, as the end of a sentence; undefined if nothing is. */
export function faultOfName(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (new TextEncoder().encode(name).length > MAX_NAME_SIZE) return `has more than ${MAX_NAME_SIZE} bytes in UTF-8`
  if (!PRINTABLE.test(name) || INVISIBLE.test(name)) return 'has characters that do not print'
  if (LOOSE.test(name)) return 'begins or ends with a space, has two in a row, or begins with an accent'
  return name === name.normalize('NFC') ? undefined : 'is not in the normal form C of Unicode'
}

/**
 * Checks the name of a peer: 1 to 32 bytes of UTF-8, printable, without anything invisible, in the normal form C of Unicode. Peers
 * choose their names, so they may look like those of others: only keys tell peers apart.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function assertPeerName(name: unknown): asserts name is string {
  const fault = typeof name === 'string' ? faultOfName(name) : 'is not a text'
  if (fault) throw new UsmpError('INVALID_ARGUMENT', `the name of the peer ${fault}`)
}
