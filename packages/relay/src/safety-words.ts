import { sha512 } from '@noble/hashes/sha2.js'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { concatBytes, UsmpError } from '@usmp/core'
import { assertIdentityKey, compareBytes } from './identity.js'

const LABEL = new TextEncoder().encode('usmp-relay words v1')
/** Each try of somebody who looks for a key with the same words takes so many hashes. */
const ROUNDS = 5200
const WORDS = 6
const BITS = 11n
/** Bytes of the hash that the words show: 66 bits, and 6 that are left over. */
const SHOWN = 9
const LEFT_OVER = 6n

/**
 * What two people read to each other to be sure that nobody is between their peers: two lines of six words, the same at both ends, the
 * line of the smaller key first (specification, section 12.2). Needed where keys came by a file, not where a code was used. Each line is
 * of one key alone, so that an attacker who is between the two must find a key for 66 bits, which 5200 hashes a try make 78: with one
 * line for both keys it would choose on both sides, and half of the bits would do. Takes some tenths of a second.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function safetyWords(own: Uint8Array, peer: Uint8Array): readonly [string, string] {
  assertIdentityKey(own)
  assertIdentityKey(peer)
  const order = compareBytes(own, peer)
  if (order === 0) throw new UsmpError('INVALID_ARGUMENT', 'the key of the peer is our own')
  return order < 0 ? [wordsOf(own), wordsOf(peer)] : [wordsOf(peer), wordsOf(own)]
}

function wordsOf(key: Uint8Array): string {
  let hash = concatBytes(LABEL, key)
  for (let round = 0; round < ROUNDS; round++) hash = sha512(concatBytes(hash, key))
  const number = hash.subarray(0, SHOWN).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) >> LEFT_OVER
  const words = Array.from({ length: WORDS }, (_, index) => {
    const shift = BITS * BigInt(WORDS - 1 - index)
    return wordlist[Number((number >> shift) & BigInt(wordlist.length - 1))]!
  })
  return words.join(' ')
}
