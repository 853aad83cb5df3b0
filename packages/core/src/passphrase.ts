import { scryptAsync } from '@noble/hashes/scrypt.js'
import { assertBytes } from './bytes.js'
import { KEY_SIZE } from './constants.js'
import { UsmpError } from './errors.js'

/**
 * A key from a passphrase by scrypt (RFC 7914; N = 2^17, r = 8, p = 1: 128 MiB and about a second). The result is as
 * good as the passphrase: prefer random keys.
 * @param salt at least 16 bytes, the same at both ends, different for every installation
 * @returns 32 bytes
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function pskFromPassphrase(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  assertBytes('salt', salt)
  if (salt.length < 16) throw new UsmpError('INVALID_ARGUMENT', `salt must be at least 16 bytes, not ${salt.length}`)
  if (passphrase.length === 0) throw new UsmpError('INVALID_ARGUMENT', 'passphrase must not be empty')
  return scryptAsync(passphrase.normalize('NFKC'), salt, { N: 2 ** 17, r: 8, p: 1, dkLen: KEY_SIZE })
}
