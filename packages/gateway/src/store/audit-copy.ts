import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { AuditEntry } from '../contract/audit.js'
import { GatewayError } from '../errors.js'
import { CHAIN_START } from './audit-chain.js'
import type { Database } from './database.js'
import { exists } from './files.js'
import { auditRange, layout } from './layout.js'
import { parseEntry, verifyChain } from './level-audit-log.js'
import { withCopyOfRecords } from './live-copy.js'
import type { Rows } from './load.js'

/**
 * Checks every hash of the audit log of a store, while the gateway runs or not.
 * @returns `brokenAt`: the number of the first entry that does not fit; null if all fit
 * @throws GatewayError NOT_FOUND if there is no store; STORE_FAILED
 */
export async function verifyAudit(folder: string): Promise<{ entries: number; brokenAt: number | null }> {
  const [path, files] = [resolve(folder), await filesOf(folder)]
  return withCopyOfRecords(path, files, tmpdir(), verify, { auditMayBreak: true })
}

async function verify(
  database: Database<string>,
  { head }: Rows,
): Promise<{ entries: number; brokenAt: number | null }> {
  const { at, entries } = await verifyChain(database, CHAIN_START, head.audit.seq + 1)
  const intact = entries === head.audit.seq && at.hash === head.audit.hash
  return { entries, brokenAt: intact ? null : Math.min(at.seq + 1, head.audit.seq) }
}

/**
 * Calls `write` with each entry of the audit log, oldest first, while the gateway runs or not.
 * @throws GatewayError NOT_FOUND if there is no store; STORE_FAILED, also for an entry that cannot be read
 */
export async function exportAudit(folder: string, write: (entry: AuditEntry) => Promise<void>): Promise<void> {
  await withCopyOfRecords(resolve(folder), await filesOf(folder), tmpdir(), async (database) => {
    for await (const [key, text] of database.entries(auditRange())) {
      const entry = parseEntry(text)
      if (!entry) throw new GatewayError('STORE_FAILED', `the entry ${key} of the audit log is damaged`)
      await write(entry)
    }
  })
}

async function filesOf(folder: string): Promise<ReturnType<typeof layout>> {
  const files = layout(resolve(folder))
  if (await exists(files.records)) return files
  throw new GatewayError('NOT_FOUND', `there is no store in ${resolve(folder)}`, {
    hint: 'Name the folder of the gateway by --data.',
  })
}
