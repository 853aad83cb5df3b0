import * as v from 'valibot'
import { count } from '../contract/text.js'
import { type AuditHead, CHAIN_START } from './audit-chain.js'
import type { Database } from './database.js'
import { storeDamaged } from './failure.js'
import { digestOf, type Head, parseHead } from './head.js'
import { auditKey, HEAD_KEY, parseRecordKey, recordRange } from './layout.js'
import { parseEntry, verifyChain } from './level-audit-log.js'
import { describeIssues, freeze } from './level-registry.js'
import { RecordState, type StoredRow } from './record-state.js'

/**
 * Entries of the audit log that are checked at each start. A file that LevelDB reads only in part has entries of the last few
 * megabytes; `verify` checks all.
 */
const CHECKED_ENTRIES = 10_000

const rowSchema = v.strictObject({ rev: v.pipe(count, v.minValue(1)), commit: count, value: v.unknown() })

export type Schemas = Readonly<Record<string, v.GenericSchema>>

/** All rows of records, by key, and the head that they were checked against. */
export interface Rows {
  readonly head: Head
  readonly rows: Map<string, string>
}

/**
 * Reads all rows and checks that together they are what one commit has left behind.
 * @param checksAudit whether the newest entries of the audit log must form a chain, too
 * @throws GatewayError STORE_FAILED if not
 */
export async function readRows(folder: string, database: Database<string>, checksAudit = true): Promise<Rows> {
  const headText = await database.get(HEAD_KEY)
  const head = headText === undefined ? undefined : parseHead(headText)
  if (!head) throw storeDamaged(folder, 'what says which records there must be is missing')
  const rows = new Map<string, string>()
  for await (const [key, text] of database.entries(recordRange())) rows.set(key, text)
  if (digestOf(rows) !== head.digest) {
    throw storeDamaged(folder, 'some records are missing, changed or older than the others')
  }
  if (checksAudit) await checkAudit(folder, database, head.audit)
  return { head, rows }
}

/** The state that rows mean. Rows that do not fit their schema stay as they are, and are named in `warnings`. */
export function makeState(folder: string, { head, rows }: Rows, schemas: Schemas): [RecordState, warnings: string[]] {
  const warnings: string[] = []
  const parsed = [...rows].map(([key, text]) => ({ ...parseRecordKey(key), row: parseRow(folder, key, text) }))
  // Tombstones have to be set in the order of removal.
  parsed.sort((a, b) => a.row.commit - b.row.commit)
  const state = new RecordState()
  state.head = head
  for (const { collection, id, row } of parsed) {
    const checked = checkValue(schemas[collection], row)
    if (checked.fault !== undefined) warnings.push(`record ${collection}/${id} cannot be used: ${checked.fault}`)
    state.set(collection, id, checked)
  }
  return [state, warnings]
}

/** The newest entries must form a chain that ends at the head. */
async function checkAudit(folder: string, database: Database<string>, head: AuditHead): Promise<void> {
  let start = CHAIN_START
  if (head.seq > CHECKED_ENTRIES) {
    const entry = parseEntry((await database.get(auditKey(head.seq - CHECKED_ENTRIES))) ?? '')
    if (!entry) throw storeDamaged(folder, 'entries of the audit log are missing')
    start = entry
  }
  const { at, entries } = await verifyChain(database, start, Number.MAX_SAFE_INTEGER)
  if (at.seq !== head.seq || at.hash !== head.hash || entries !== head.seq - start.seq) {
    throw storeDamaged(folder, `the audit log breaks at entry ${at.seq + 1} of ${head.seq}`)
  }
}

function parseRow(folder: string, key: string, text: string): StoredRow {
  try {
    const { rev, commit, value } = v.parse(rowSchema, JSON.parse(text))
    return { rev, commit, text, value }
  } catch (error) {
    throw storeDamaged(folder, `the row ${key} is no record`, error)
  }
}

function checkValue(schema: v.GenericSchema | undefined, row: StoredRow): StoredRow {
  if (row.value === null) return row
  if (!schema) return { ...row, fault: 'this gateway does not know records of this kind' }
  const result = v.safeParse(schema, row.value)
  if (!result.success) return { ...row, fault: describeIssues(result.issues) }
  return { ...row, value: freeze(result.output) }
}
