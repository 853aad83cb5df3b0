import { EMPTY_HEAD, type Head } from './head.js'

/** A row as it is in the database, and what it means. */
export interface StoredRow {
  readonly rev: number
  /** The commit that wrote it. */
  readonly commit: number
  /** JSON as stored. */
  readonly text: string
  /** Frozen; null for a tombstone. */
  readonly value: unknown
  /** Why the value does not fit the schema of its collection; such a row is never given out and never overwritten. */
  readonly fault?: string
}

export interface Collection {
  readonly rows: Map<string, StoredRow>
  /** Ids of the rows that are tombstones, in the order of removal. */
  readonly tombstones: Set<string>
}

/**
 * All records in memory, as of the last commit: about 1 KB a device. So reads are quick, and go on when the disk fails.
 * Only `Commits` changes it, and only after a commit became durable.
 */
export class RecordState {
  head: Head = EMPTY_HEAD
  readonly #collections = new Map<string, Collection>()

  collection(name: string): Collection {
    let collection = this.#collections.get(name)
    if (!collection) this.#collections.set(name, (collection = { rows: new Map(), tombstones: new Set() }))
    return collection
  }

  set(name: string, id: string, row: StoredRow): void {
    const { rows, tombstones } = this.collection(name)
    rows.set(id, row)
    tombstones.delete(id)
    if (row.value === null && row.fault === undefined) tombstones.add(id)
  }

  drop(name: string, id: string): void {
    const { rows, tombstones } = this.collection(name)
    rows.delete(id)
    tombstones.delete(id)
  }
}

export function rowText(rev: number, commit: number, value: unknown): string {
  return JSON.stringify({ rev, commit, value })
}
