import { nextEntry } from './audit-chain.js'
import type { Database, Operation } from './database.js'
import { digestOf } from './head.js'
import { auditKey, HEAD_KEY } from './layout.js'
import type { Rows } from './load.js'
import type { AuditEvent } from './registry.js'

/**
 * One commit on a store that no gateway works with yet: many rows at once, and rows that are no records.
 * @param changes by key; null: the row goes away
 * @param others rows that are no records, such as the version
 * @returns the rows as they are then
 */
export async function rewrite(
  database: Database<string>,
  before: Rows,
  change: {
    readonly changes: Iterable<readonly [key: string, text: string | null]>
    readonly others?: readonly Operation<string>[]
    readonly audit: AuditEvent
    readonly at: number
  },
): Promise<Rows> {
  const rows = new Map(before.rows)
  const operations: Operation<string>[] = [...(change.others ?? [])]
  for (const [key, text] of change.changes) {
    if (text === null) rows.delete(key)
    else rows.set(key, text)
    operations.push(text === null ? { type: 'del', key } : { type: 'put', key, value: text })
  }
  const entry = nextEntry(before.head.audit, change.at, change.audit)
  const { seq, hash } = entry
  const head = { ...before.head, commit: before.head.commit + 1, digest: digestOf(rows), audit: { seq, hash } }
  operations.push({ type: 'put', key: auditKey(seq), value: JSON.stringify(entry) })
  operations.push({ type: 'put', key: HEAD_KEY, value: JSON.stringify(head) })
  await database.write(operations, { sync: true })
  return { head, rows }
}
