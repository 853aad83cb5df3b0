import * as v from 'valibot'
import { type AuditEntry, auditEntry } from '../contract/audit.js'
import { type AuditHead, CHAIN_START, follows } from './audit-chain.js'
import type { Commits } from './commits.js'
import type { Database } from './database.js'
import { storeFailed } from './failure.js'
import { auditRange } from './layout.js'
import type { AuditEvent } from './registry.js'
import type { AuditLog } from './store.js'

/** The audit log of the embedded store. */
export class LevelAuditLog implements AuditLog {
  readonly #database: Database<string>
  readonly #commits: Commits

  constructor(database: Database<string>, commits: Commits) {
    this.#database = database
    this.#commits = commits
  }

  append(event: AuditEvent): Promise<AuditEntry> {
    return this.#commits.run((transaction) => transaction.audit(event))
  }

  async page(options: { before?: number; limit: number; object?: string }): Promise<AuditEntry[]> {
    const page: AuditEntry[] = []
    for await (const [key, text] of this.#database.entries({ ...auditRange(0, options.before), reverse: true })) {
      if (page.length >= options.limit) break
      const entry = parseEntry(text)
      if (!entry) throw unreadable(key)
      if (options.object === undefined || entry.object === options.object) page.push(entry)
    }
    return page
  }

  async *entries(): AsyncIterable<AuditEntry> {
    for await (const [key, text] of this.#database.entries(auditRange())) {
      const entry = parseEntry(text)
      if (!entry) throw unreadable(key)
      yield entry
    }
  }

  async verify(): Promise<{ intact: boolean; entries: number; brokenAt: number | null }> {
    // Entries that are appended meanwhile are not looked at.
    const head = this.#commits.state.head.audit
    const { at, entries } = await verifyChain(this.#database, CHAIN_START, head.seq + 1)
    if (entries === head.seq && at.hash === head.hash) return { intact: true, entries, brokenAt: null }
    return { intact: false, entries, brokenAt: Math.min(at.seq + 1, head.seq) }
  }
}

/**
 * Follows the chain from the entry after `start`, before `to`.
 * @returns the last entry that fits, and how many there are in all
 */
export async function verifyChain(
  database: Database<string>,
  start: AuditHead,
  to: number,
): Promise<{ at: AuditHead; entries: number }> {
  let at = start
  let broken = false
  let entries = 0
  for await (const [, text] of database.entries(auditRange(start.seq + 1, to))) {
    entries++
    const entry = parseEntry(text)
    if (entry && !broken && follows(at, entry)) at = { seq: entry.seq, hash: entry.hash }
    else broken = true
  }
  return { at, entries }
}

export function parseEntry(text: string): AuditEntry | undefined {
  try {
    return v.parse(auditEntry, JSON.parse(text))
  } catch {
    return undefined
  }
}

function unreadable(key: string): Error {
  return storeFailed(
    `the entry ${key} of the audit log is damaged`,
    '`usmp gateway audit verify` says where the log breaks; the newest backup has the older entries.',
  )
}
