import { equalBytes } from '@usmp/core'
import { isTrustworthyKey } from './ed25519.js'
import type { Manifest } from './manifest.js'
import { keyIdOf } from './publisher-key.js'
import { MAX_REVOKED_KEYS } from './signed-part.js'

/** Keys that a device trusts at the same time, at most. */
export const MAX_TRUSTED_KEYS = 3

/** What a device keeps about its publishers. It changes on confirmation of an image, and on nothing else (specification, section 13.5). */
export interface TrustRecord {
  /** The security counter, 32 bits. */
  readonly counter: number
  /** Public keys of 32 bytes: at least one, at most 3. */
  readonly keys: readonly Uint8Array[]
  /** Ids of the keys that were revoked last, in the order of their revocation: at most 8. */
  readonly revoked: readonly string[]
}

/** The trusted key with this id. */
export function findKey(record: TrustRecord, keyId: string): Uint8Array | undefined {
  return record.keys.find((key) => keyIdOf(key) === keyId)
}

/**
 * Whether the keys can change as the manifest says: its next key is one to be trusted, neither it nor the record revokes it, and there
 * is room for it once the revoked ones are gone.
 */
export function canRotate(record: TrustRecord, manifest: Manifest): boolean {
  const { nextKey, revokedKeys } = manifest
  if (!nextKey) return true
  const id = keyIdOf(nextKey)
  if (!isTrustworthyKey(nextKey) || revokedKeys.includes(id) || record.revoked.includes(id)) return false
  return rotate(record.keys, manifest).length <= MAX_TRUSTED_KEYS
}

/**
 * The record after the image of the manifest has been confirmed: the counter rises to that of the manifest, the next key is taken, and
 * revoked keys are dropped. The manifest must have passed `judgeManifest` with this record.
 */
export function applyConfirmed(record: TrustRecord, manifest: Manifest): TrustRecord {
  const fresh = manifest.revokedKeys.filter((id) => !record.revoked.includes(id))
  return {
    counter: Math.max(record.counter, manifest.counter),
    keys: rotate(record.keys, manifest),
    revoked: [...record.revoked, ...fresh].slice(-MAX_REVOKED_KEYS),
  }
}

function rotate(keys: readonly Uint8Array[], { nextKey, revokedKeys }: Manifest): Uint8Array[] {
  const kept = keys.filter((key) => !revokedKeys.includes(keyIdOf(key)))
  const isNew = nextKey !== undefined && !kept.some((key) => equalBytes(key, nextKey))
  return isNew ? [...kept, nextKey] : kept
}
