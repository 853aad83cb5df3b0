import { join } from 'node:path'

/** The files of a store, all in one folder. */
export function layout(folder: string) {
  return {
    /** Version of the schema, readable without opening the database. */
    version: join(folder, 'store.json'),
    /** LevelDB: records and audit log. */
    records: join(folder, 'records'),
    /** LevelDB: minutes of readings. A database apart, so that much telemetry never delays a record. */
    telemetry: join(folder, 'telemetry'),
    /** The number of the last commit, to notice when the newest ones are gone. */
    lastCommit: join(folder, 'last-commit'),
    /** Process id of the gateway that has the store open. */
    pid: join(folder, 'gateway.pid'),
    /** Seals the keys of devices, unless the caller keeps it elsewhere. */
    keyFile: join(folder, 'store.key'),
    /** The folder of the signed images for updates. */
    images: join(folder, 'images'),
    /** Tried before the database is opened again after a failed write. */
    probe: join(folder, 'probe'),
  }
}
export type Layout = ReturnType<typeof layout>

/** Keys in the database of records. `!` sorts before all that ids and numbers consist of. */
export const HEAD_KEY = 'meta!head'
export const SEAL_KEY = 'meta!seal'
export const SCHEMA_KEY = 'meta!schema'
const RECORD = 'record!'
const AUDIT = 'audit!'

export function recordKey(collection: string, id: string): string {
  return `${RECORD}${collection}!${id}`
}

/** All keys of records, or those of one collection. */
export function recordRange(): { gte: string; lt: string } {
  return { gte: RECORD, lt: 'record"' }
}

export function parseRecordKey(key: string): { collection: string; id: string } {
  const rest = key.slice(RECORD.length)
  const at = rest.indexOf('!')
  return { collection: rest.slice(0, at), id: rest.slice(at + 1) }
}

export function auditKey(seq: number): string {
  return `${AUDIT}${String(seq).padStart(16, '0')}`
}

export function auditRange(from = 0, to = Number.MAX_SAFE_INTEGER): { gte: string; lt: string } {
  return { gte: auditKey(from), lt: auditKey(to) }
}
