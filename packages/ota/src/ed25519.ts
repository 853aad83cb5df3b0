import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, equalBytes } from '@usmp/core'

/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_SIZE = 32
/** Bytes of an Ed25519 secret key as RFC 8032 has it: the seed. */
export const SECRET_KEY_SIZE = 32
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_SIZE = 64

const { Point } = ed25519
const ORDER = Point.Fn.ORDER
type Point = InstanceType<typeof Point>

/**
 * Whether a device may trust these bytes as a key: the one encoding of a point of the curve, and none of the eight points of small
 * order, under which one signature is good for many messages (specification, section 13.3).
 */
export function isTrustworthyKey(publicKey: Uint8Array): boolean {
  return publicKey.length === PUBLIC_KEY_SIZE && decodePoint(publicKey) !== undefined
}

/**
 * Whether `signature` is that of `message` under `publicKey`: RFC 8032, pure, by its equation without the cofactor. Strict: S is below
 * the order of the group, and key and R are canonical and not of small order, so that libraries which differ about such cases agree.
 * Wrong lengths are false, not an error.
 */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false
  const encodedR = signature.subarray(0, 32)
  const s = readScalar(signature.subarray(32))
  const key = decodePoint(publicKey)
  if (s >= ORDER || !key || !decodePoint(encodedR)) return false
  const hash = readScalar(sha512(concatBytes(encodedR, publicKey, message))) % ORDER
  const expected = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(hash))
  return equalBytes(expected.toBytes(), encodedR)
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

/** A point by its canonical encoding; undefined for one of small order and for what is no point. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    const point = Point.fromBytes(bytes, false)
    return point.isSmallOrder() ? undefined : point
  } catch {
    return undefined
  }
}

/** A number, little-endian. */
function readScalar(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}
