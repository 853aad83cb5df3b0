import { ed25519 } from '@noble/curves/ed25519.js'

/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_SIZE = 32
/** Bytes of an Ed25519 secret key as RFC 8032 has it: the seed. */
export const SECRET_KEY_SIZE = 32
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_SIZE = 64

/**
 * Whether a device may trust these bytes as a key: the one encoding of a point of the curve, and none of the eight points of small
 * order, under which one signature is good for many messages (specification, section 13.3).
 */
export function isTrustworthyKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_SIZE) return false
  try {
    return !ed25519.Point.fromBytes(publicKey, false).isSmallOrder()
  } catch {
    return false
  }
}

/**
 * Whether `signature` is that of `message` under `publicKey`: RFC 8032, pure, by the equation with the cofactor. Strict: S is below the
 * order of the group, and key and R are canonical and not of small order, so that libraries which differ about such cases agree.
 * Wrong lengths are false, not an error.
 */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false
  // Of the key and of S the library takes care.
  return isTrustworthyKey(signature.subarray(0, 32)) && ed25519.verify(signature, message, publicKey, { zip215: false })
}

/**
 * The signature of a message, 64 bytes. In JavaScript this is not constant-time; programs in Node sign with `node:crypto`.
 * @param secretKey 32 bytes
 */
export function signMessage(secretKey: Uint8Array, message: Uint8Array): Uint8Array {
  return ed25519.sign(message, secretKey)
}

/** The public key of a secret key, 32 bytes each. */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(secretKey)
}
