import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.js'
import { storeFailed } from './failure.js'
import { isMissing } from './files.js'
import { readLastCommit } from './last-commit.js'
import { type Layout, layout } from './layout.js'
import { type Rows, readRows } from './load.js'
import { openDatabase } from './records-database.js'

const MAX_TRIES = 20
/** ms */
const PAUSE = 100

/**
 * Calls `use` with a copy of the records, as one commit left them; the gateway may go on working meanwhile. The files of LevelDB
 * change while they are copied, so the copy is opened and checked like a store, and made again if it does not hold.
 * @param beside the folder in which the copy is made, and removed afterwards; nobody else can read it
 * @param auditMayBreak for who looks for the break in the audit log: a log that is broken in every copy is taken as it is
 * @throws GatewayError STORE_FAILED if no copy holds: the store itself is damaged
 */
export async function withCopyOfRecords<T>(
  folder: string,
  files: Layout,
  beside: string,
  use: (database: Database<string>, rows: Rows) => Promise<T>,
  { auditMayBreak = false } = {},
): Promise<T> {
  const scratch = await mkdtemp(join(beside, '.usmp-backup-'))
  try {
    const { database, rows } = await copyUntilItHolds(folder, files, layout(scratch), auditMayBreak)
    try {
      return await use(database, rows)
    } finally {
      await database.close()
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function copyUntilItHolds(
  folder: string,
  files: Layout,
  copy: Layout,
  auditMayBreak: boolean,
): Promise<{ database: Database<string>; rows: Rows }> {
  for (let tries = 1; ; tries++) {
    try {
      // Commits up to this one are in files that are there now.
      const atLeast = await readLastCommit(files.lastCommit)
      await copyFolder(files.records, copy.records)
      return await openCopy(folder, copy, atLeast, !auditMayBreak || tries < MAX_TRIES)
    } catch (error) {
      if (tries === MAX_TRIES) throw error
      await rm(copy.records, { recursive: true, force: true })
      await sleep(PAUSE)
    }
  }
}

async function openCopy(
  folder: string,
  copy: Layout,
  atLeast: number,
  checksAudit: boolean,
): Promise<{ database: Database<string>; rows: Rows }> {
  const database = await openDatabase<string>(folder, copy, copy.records, 'utf8', false)
  try {
    const rows = await readRows(folder, database, checksAudit)
    if (rows.head.commit >= atLeast) return { database, rows }
    throw storeFailed(
      `the newest ${atLeast - rows.head.commit} changes of the store ${folder} are missing in its files`,
      'Start the gateway once, which says what is lost; then back it up again.',
    )
  } catch (error) {
    await database.close()
    throw error
  }
}

/** What names other files is copied first: what it names is then there, or is missing and noticed. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 })
  const names = (await readdir(from)).filter((name) => /^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst))$/.test(name))
  names.sort((a, b) => rank(a) - rank(b))
  for (const name of names) {
    try {
      await copyFile(join(from, name), join(to, name))
    } catch (error) {
      // LevelDB has removed it meanwhile. If it is needed, the copy does not hold.
      if (!isMissing(error)) throw error
    }
  }
}

function rank(name: string): number {
  return name === 'CURRENT' ? 0 : name.startsWith('MANIFEST') ? 1 : 2
}
