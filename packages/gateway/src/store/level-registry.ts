import * as v from 'valibot'
import { GatewayError } from '../errors.js'
import type { Commits } from './commits.js'
import { storeFailed } from './failure.js'
import type { StoredRow } from './record-state.js'
import type { AuditEvent, Change, Entry, Registry, Write } from './registry.js'
import type { Transaction } from './transaction.js'
import { Watchers } from './watchers.js'

const MAX_ID = 128
/** Bytes of a record as JSON, about. */
const MAX_VALUE = 64 * 1024

/** One collection of the embedded store. Reads come from memory; changes go through {@link Commits}. */
export class LevelRegistry<T extends object> implements Registry<T> {
  readonly #name: string
  readonly #schema: v.GenericSchema<unknown, T>
  readonly #commits: Commits
  readonly #watchers = new Watchers<T>()

  constructor(name: string, schema: v.GenericSchema<unknown, T>, commits: Commits) {
    this.#name = name
    this.#schema = schema
    this.#commits = commits
  }

  async get(id: string): Promise<Entry<T> | undefined> {
    const row = this.#rows.get(id)
    if (row?.fault !== undefined) throw this.#unreadable(id, row.fault)
    return row === undefined || row.value === null ? undefined : this.#entry(id, row)
  }

  async list(): Promise<readonly Entry<T>[]> {
    const entries: Entry<T>[] = []
    for (const [id, row] of this.#rows) {
      if (row.value !== null && row.fault === undefined) entries.push(this.#entry(id, row))
    }
    return entries.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async cas(id: string, rev: number, value: T | null, audit?: AuditEvent): Promise<Entry<T>> {
    const [entry] = await this.casAll([{ id, rev, value }], audit)
    return entry!
  }

  async casAll(changes: readonly Write<T>[], audit?: AuditEvent): Promise<readonly Entry<T>[]> {
    if (new Set(changes.map(({ id }) => id)).size < changes.length) {
      throw new GatewayError('INVALID', `one transaction cannot change a record of ${this.#name} twice`)
    }
    const checked = changes.map((change) => this.#check(change))
    return this.#commits.run((transaction) => this.#stage(transaction, checked, audit))
  }

  watch(signal: AbortSignal): AsyncIterable<Change<T>> {
    return this.#watchers.watch(signal)
  }

  end(): void {
    this.#watchers.end()
  }

  get #rows(): Map<string, StoredRow> {
    return this.#commits.state.collection(this.#name).rows
  }

  #entry(id: string, row: StoredRow): Entry<T> {
    return { id, rev: row.rev, value: row.value as T }
  }

  #check({ id, rev, value }: Write<T>): Write<T> {
    this.#checkId(id)
    return { id, rev, value: value === null ? null : freeze(this.#parse(id, value)) }
  }

  #stage(transaction: Transaction, changes: readonly Write<T>[], audit?: AuditEvent): Entry<T>[] {
    // All are checked before the first is staged.
    const rows = changes.map((change) => this.#checkRevision(transaction, change))
    const entries = changes.map(({ id, rev, value }, i) => {
      const row = rows[i]
      const next = (row?.rev ?? transaction.floor(this.#name)) + 1
      transaction.put(this.#name, id, next, value)
      transaction.onApplied(() => this.#watchers.publish({ id, rev: next, value }))
      return { id, rev: next, before: rev, removed: value === null, value: value ?? (row!.value as T) }
    })
    const only = entries.length === 1 ? entries[0] : undefined
    const revisions = only ? { before: only.before, after: only.removed ? null : only.rev } : {}
    if (audit) transaction.audit({ ...revisions, ...audit })
    return entries.map(({ id, rev, value }) => ({ id, rev, value }))
  }

  /** @returns the row that is changed, which may be a tombstone */
  #checkRevision(transaction: Transaction, { id, rev, value }: Write<T>): StoredRow | undefined {
    const row = transaction.row(this.#name, id)
    if (row?.fault !== undefined) throw this.#unreadable(id, row.fault)
    const current = row !== undefined && row.value !== null ? row.rev : 0
    if (rev !== current) throw this.#conflict(id, rev, current)
    if (value === null && current === 0) {
      throw new GatewayError('NOT_FOUND', `there is no record ${this.#name}/${id} to remove`)
    }
    return row
  }

  #parse(id: string, value: T): T {
    const result = v.safeParse(this.#schema, value)
    if (!result.success) {
      throw new GatewayError('INVALID', `record ${this.#name}/${id} is not valid: ${describeIssues(result.issues)}`)
    }
    if (JSON.stringify(result.output).length > MAX_VALUE) {
      throw new GatewayError('INVALID', `record ${this.#name}/${id} is larger than ${MAX_VALUE} bytes`)
    }
    return result.output
  }

  #checkId(id: string): void {
    if (/^[\x21-\x7e]+$/.test(id) && id.length <= MAX_ID) return
    throw new GatewayError('INVALID', `an id of ${this.#name} must be 1 to ${MAX_ID} printable ASCII characters`)
  }

  #conflict(id: string, seen: number, current: number): GatewayError {
    const now = current === 0 ? 'there is none now' : `it has revision ${current} now`
    const before = seen === 0 ? 'as a new record' : `at revision ${seen}`
    return new GatewayError('CONFLICT', `${this.#name}/${id} was to be changed ${before}, and ${now}`, {
      hint: 'Somebody else was quicker. Look at it again, then decide again.',
    })
  }

  #unreadable(id: string, fault: string): GatewayError {
    return storeFailed(
      `the record ${this.#name}/${id} cannot be read: ${fault}`,
      'It is kept as it is. A newer version of the gateway may have written it; else restore the newest backup.',
    )
  }
}

/** What is wrong with a value, as `name: must …`; at most three faults. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .slice(0, 3)
    .map((issue) => {
      const path = v.getDotPath(issue)
      return path ? `${path}: ${issue.message}` : issue.message
    })
    .join('; ')
}

/** Entries are shared by all who read them. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) freeze(part)
  }
  return value
}
