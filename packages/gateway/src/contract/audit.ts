import * as v from 'valibot'
import { count, numberInQuery, text, time } from './text.js'

/** One line of the audit log. Each carries the hash of the one before; never a key, password or token. */
export const auditEntry = v.object({
  seq: count,
  at: time,
  /** Name of a user, `token:NAME`, `cli`, or `gateway`. */
  actor: v.string(),
  role: v.string(),
  /** As `device.approve`, `login.failed`, `join.open`. */
  action: v.string(),
  /** What it was done to: a device id, a user, or nothing. */
  object: v.string(),
  /** Revision of the record before and after; 0: there was none. */
  before: v.nullable(count),
  after: v.nullable(count),
  /** `ok`, or the code of the refusal. */
  result: v.string(),
  detail: v.string(),
  /** SHA-256 in hex, over the entry and the hash of the one before. */
  hash: v.string(),
})
export type AuditEntry = v.InferOutput<typeof auditEntry>
/** Newest first. */
export const MAX_AUDIT_PAGE = 200
export const auditQuery = v.strictObject({
  /** Only entries before this one, by `seq`. */
  before: v.optional(numberInQuery),
  /** At most 200; left out: 50. */
  limit: v.optional(v.pipe(numberInQuery, v.minValue(1), v.maxValue(MAX_AUDIT_PAGE))),
  /** Only of this device or user. */
  object: v.optional(text(64)),
})
/** `jsonl`: an entry a line, as it is hashed. */
export const auditExportQuery = v.strictObject({ format: v.picklist(['csv', 'jsonl']) })
export const auditPage = v.object({ entries: v.array(auditEntry), more: v.boolean() })
export const auditVerdict = v.object({
  intact: v.boolean(),
  entries: count,
  /** The first entry whose hash is wrong, or before which entries are missing. */
  brokenAt: v.nullable(count),
})
