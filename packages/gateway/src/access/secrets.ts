import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** @returns so many random bytes, as base64url */
export const randomSecret = (bytes: number): string => randomBytes(bytes).toString('base64url')

/**
 * What is stored of a cookie or a token: SHA-256, hex. A slow hash is for passwords; nobody guesses 256 random bits.
 */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** Compares two hashes of equal length in constant time. */
export function equalHashes(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')]
  return a.length === b.length && a.length > 0 && timingSafeEqual(a, b)
}
