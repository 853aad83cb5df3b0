import { createHash } from 'node:crypto'
import type { AuditEntry } from '../contract/audit.js'
import type { AuditEvent } from './registry.js'

/** Characters. What is longer is cut: a log must not be filled by one name. */
const MAX_FIELD = 128
const MAX_DETAIL = 512
/** Before the first entry. */
export const CHAIN_START: AuditHead = { seq: 0, hash: '0'.repeat(64) }

/** The newest entry of the log. */
export interface AuditHead {
  /** 0: there is none. */
  readonly seq: number
  readonly hash: string
}

/** The entry that follows `head`. */
export function nextEntry(head: AuditHead, at: number, event: AuditEvent): AuditEntry {
  const entry = {
    seq: head.seq + 1,
    at: Math.max(0, Math.trunc(at)),
    actor: cut(event.actor, MAX_FIELD),
    role: cut(event.role, MAX_FIELD),
    action: cut(event.action, MAX_FIELD),
    object: cut(event.object, MAX_FIELD),
    before: event.before ?? null,
    after: event.after ?? null,
    result: cut(event.result, MAX_FIELD),
    detail: cut(event.detail ?? '', MAX_DETAIL),
  }
  return { ...entry, hash: entryHash(head.hash, entry) }
}

/** Whether `entry` follows `head`: the next number, and the right hash. */
export function follows(head: AuditHead, entry: AuditEntry): boolean {
  return entry.seq === head.seq + 1 && entry.hash === entryHash(head.hash, entry)
}

/**
 * SHA-256 in hex over a JSON array in UTF-8, without white space: hash of the entry before, seq, at, actor, role, action,
 * object, before, after, result, detail. The first entry has 64 zeros before it.
 */
function entryHash(previous: string, entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, at, actor, role, action, object, before, after, result, detail } = entry
  const canonical = JSON.stringify([previous, seq, at, actor, role, action, object, before, after, result, detail])
  return createHash('sha256').update(canonical).digest('hex')
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`
}
