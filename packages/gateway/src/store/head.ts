import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { count } from '../contract/text.js'
import type { AuditHead } from './audit-chain.js'
import { CHAIN_START } from './audit-chain.js'

const digestText = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const headSchema = v.strictObject({
  commit: count,
  digest: digestText,
  audit: v.strictObject({ seq: count, hash: digestText }),
  floors: v.record(v.string(), count),
})

/**
 * One row that every commit writes anew. LevelDB drops what it cannot read of a damaged file, without a word, and may take what
 * comes after it. The head tells: records and audit log must give the same digest and the same last entry.
 */
export interface Head {
  /** Commits since the store was made. */
  readonly commit: number
  /** XOR of the SHA-256 of all rows of records, hex. */
  readonly digest: string
  readonly audit: AuditHead
  /** By collection: the highest revision of the tombstones that were dropped. A new record begins above it. */
  readonly floors: Readonly<Record<string, number>>
}

export const EMPTY_HEAD: Head = { commit: 0, digest: '0'.repeat(64), audit: CHAIN_START, floors: {} }

/** @returns undefined if the text is no head */
export function parseHead(text: string): Head | undefined {
  try {
    return v.parse(headSchema, JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Adds a row to the digest of all rows, or takes it away. */
export function toggleRow(digest: Uint8Array, key: string, text: string): void {
  const hash = createHash('sha256').update(key).update('\0').update(text).digest()
  for (let i = 0; i < digest.length; i++) digest[i]! ^= hash[i]!
}

/** The digest of all rows. */
export function digestOf(rows: ReadonlyMap<string, string>): string {
  const digest = Buffer.alloc(32)
  for (const [key, text] of rows) toggleRow(digest, key, text)
  return digest.toString('hex')
}
