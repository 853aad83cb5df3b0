import { sha256 } from '@noble/hashes/sha2.js'
import { toHex, UsmpError } from '@usmp/core'
import { isTrustworthyKey, PUBLIC_KEY_SIZE } from './ed25519.js'

/** Bytes of the id of a key. */
export const KEY_ID_SIZE = 8

/** The id of a public key: the first 8 bytes of its SHA-256, as lower-case hex. */
export function keyIdOf(publicKey: Uint8Array): string {
  return toHex(sha256(publicKey).subarray(0, KEY_ID_SIZE))
}

/**
 * Checks that a device may trust a public key, 32 bytes.
 * @throws UsmpError INVALID_ARGUMENT for another length, for bytes that are not a point of the curve, and for a point of small order
 */
export function assertPublisherKey(publicKey: Uint8Array): void {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_SIZE) {
    throw new UsmpError('INVALID_ARGUMENT', "a publisher's key must be 32 bytes", {
      hint: '`usmp ota keygen` makes one, and prints its public half as 64 hex digits.',
    })
  }
  if (!isTrustworthyKey(publicKey)) {
    throw new UsmpError('INVALID_ARGUMENT', "these 32 bytes are no publisher's key", {
      hint: 'They are no point of Ed25519, or one under which anybody can sign. Were digits lost? `usmp ota keygen` makes a key.',
    })
  }
}
