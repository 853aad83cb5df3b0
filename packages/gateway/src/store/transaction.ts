import type { AuditEntry } from '../contract/audit.js'
import { nextEntry } from './audit-chain.js'
import type { Operation } from './database.js'
import { type Head, toggleRow } from './head.js'
import { auditKey, HEAD_KEY, recordKey } from './layout.js'
import { type RecordState, rowText, type StoredRow } from './record-state.js'
import type { AuditEvent } from './registry.js'

/** Tombstones kept in a collection. The oldest gives way, and its revision becomes the floor of the collection. */
export const MAX_TOMBSTONES = 1000

interface ChangedRow {
  readonly collection: string
  readonly id: string
  /** undefined: the row goes away. */
  readonly row: StoredRow | undefined
}

/** The changes of one commit, over the state before it. Nothing is changed until the commit is durable and `apply` is called. */
export class Transaction {
  readonly #state: RecordState
  readonly #now: number
  readonly #commit: number
  readonly #changed = new Map<string, ChangedRow>()
  readonly #entries: AuditEntry[] = []
  readonly #floors: Record<string, number>
  readonly #listeners: (() => void)[] = []
  #auditHead: Head['audit']

  constructor(state: RecordState, now: number) {
    this.#state = state
    this.#now = now
    this.#commit = state.head.commit + 1
    this.#floors = { ...state.head.floors }
    this.#auditHead = state.head.audit
  }

  /** The row as this transaction has made it so far. */
  row(collection: string, id: string): StoredRow | undefined {
    const changed = this.#changed.get(recordKey(collection, id))
    return changed ? changed.row : this.#state.collection(collection).rows.get(id)
  }

  /** Revision of the next record that is made where there is no tombstone, less one. */
  floor(collection: string): number {
    return this.#floors[collection] ?? 0
  }

  /** @param value null: the record becomes a tombstone */
  put(collection: string, id: string, rev: number, value: unknown): void {
    this.#set(collection, id, { rev, commit: this.#commit, text: rowText(rev, this.#commit, value), value })
    if (value === null) this.#dropTombstones(collection)
  }

  /** Appends to the audit log. */
  audit(event: AuditEvent): AuditEntry {
    const entry = nextEntry(this.#auditHead, this.#now, event)
    this.#auditHead = entry
    this.#entries.push(entry)
    return entry
  }

  /** `listener` is called when the commit is durable and in the state. */
  onApplied(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** What has to be written, the head included. */
  operations(): { operations: Operation<string>[]; undo: Operation<string>[]; head: Head } {
    const operations: Operation<string>[] = []
    const undo: Operation<string>[] = []
    const write = (key: string, before: string | undefined, after: string | undefined) => {
      operations.push(operation(key, after))
      undo.push(operation(key, before))
    }
    const digest = Buffer.from(this.#state.head.digest, 'hex')
    for (const [key, { collection, id, row }] of this.#changed) {
      const before = this.#state.collection(collection).rows.get(id)?.text
      if (before !== undefined) toggleRow(digest, key, before)
      if (row) toggleRow(digest, key, row.text)
      write(key, before, row?.text)
    }
    for (const entry of this.#entries) write(auditKey(entry.seq), undefined, JSON.stringify(entry))
    const { seq, hash } = this.#auditHead
    const head = { commit: this.#commit, digest: digest.toString('hex'), audit: { seq, hash }, floors: this.#floors }
    write(HEAD_KEY, JSON.stringify(this.#state.head), JSON.stringify(head))
    return { operations, undo, head }
  }

  /** Makes the changes those of the state; `head` is that of {@link operations}. */
  apply(head: Head): void {
    this.#state.head = head
    for (const { collection, id, row } of this.#changed.values()) {
      if (row) this.#state.set(collection, id, row)
      else this.#state.drop(collection, id)
    }
    for (const listener of this.#listeners) listener()
  }

  #set(collection: string, id: string, row: StoredRow | undefined): void {
    this.#changed.set(recordKey(collection, id), { collection, id, row })
  }

  #dropTombstones(collection: string): void {
    const { tombstones } = this.#state.collection(collection)
    let excess = tombstones.size + this.#removed(collection) - MAX_TOMBSTONES
    for (const id of tombstones) {
      if (excess <= 0) return
      if (this.#changed.has(recordKey(collection, id))) continue
      const { rev } = this.#state.collection(collection).rows.get(id)!
      this.#floors[collection] = Math.max(this.floor(collection), rev)
      this.#set(collection, id, undefined)
      excess--
    }
  }

  /** By how much this transaction changes the count of tombstones so far. */
  #removed(collection: string): number {
    let more = 0
    for (const { collection: name, id, row } of this.#changed.values()) {
      if (name !== collection) continue
      const was = this.#state.collection(collection).tombstones.has(id)
      const is = row !== undefined && row.value === null
      more += Number(is) - Number(was)
    }
    return more
  }
}

function operation(key: string, text: string | undefined): Operation<string> {
  return text === undefined ? { type: 'del', key } : { type: 'put', key, value: text }
}
