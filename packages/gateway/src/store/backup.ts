import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { GatewayError } from '../errors.js'
import { type BackupInfo, checkBackup, rowsOfBackup, writeBackup } from './backup-format.js'
import type { Operation } from './database.js'
import { fileFailed, storeFailed } from './failure.js'
import { exists, isMissing, syncFolder } from './files.js'
import { type Layout, layout, recordKey, SCHEMA_KEY } from './layout.js'
import { withCopyOfRecords } from './live-copy.js'
import { readRows } from './load.js'
import { createDatabase, openDatabase } from './records-database.js'
import { rewrite } from './rewrite.js'
import { SCHEMA_VERSION, tooNew, writeSchemaVersion } from './schema-version.js'

/** What is in a backup. */
export interface BackupSummary {
  /** ms since 1970. */
  readonly createdAt: number
  readonly devices: number
  readonly auditEntries: number
}

/**
 * Writes records and audit log of a store into one file, while the gateway runs or not. Keys of devices stay sealed: without
 * the key file, which is not in it, they are of no use. The history of readings and the files of images are not in it.
 * @param file must not be there yet
 * @throws GatewayError EXISTS; NOT_FOUND if there is no store; STORE_FAILED if the store is damaged or the file cannot be written
 */
export async function backupStore(folder: string, file: string, now: () => number = Date.now): Promise<BackupSummary> {
  const path = resolve(folder)
  const target = resolve(file)
  const files = layout(path)
  if (!(await exists(files.records))) throw new GatewayError('NOT_FOUND', `there is no store in ${path}`)
  if (await exists(target)) {
    throw new GatewayError('EXISTS', `${target} exists already and is not overwritten`, {
      hint: 'Choose another name.',
    })
  }
  const part = `${target}.part`
  try {
    return await withCopyOfRecords(path, files, dirname(target), async (database, { head, rows }) => {
      const info: BackupInfo = {
        schema: Number(await database.get(SCHEMA_KEY)),
        createdAt: Math.trunc(now()),
        commit: head.commit,
      }
      await rm(part, { force: true })
      await writeBackup(part, info, database.entries({ gte: '', lt: '~' }))
      await rename(part, target)
      await syncFolder(dirname(target))
      return { createdAt: info.createdAt, ...contents(rows, head.audit.seq) }
    })
  } catch (error) {
    await rm(part, { force: true })
    throw error instanceof GatewayError ? error : fileFailed('write', target, error)
  }
}

/**
 * Makes a store from a backup. The next start of the gateway needs the key file that the store had then.
 * @param folder must be empty or not there; the key file and the images may be in it already
 * @throws GatewayError EXISTS if there is something in the folder; STORE_FAILED if the file is damaged or of a newer version
 */
export async function restoreStore(file: string, folder: string, now: () => number = Date.now): Promise<BackupSummary> {
  const path = resolve(folder)
  const files = layout(path)
  await checkEmpty(path, files)
  const info = await checkBackup(file)
  if (info.schema > SCHEMA_VERSION) throw tooNew(file, info.schema, SCHEMA_VERSION)
  await mkdir(path, { recursive: true, mode: 0o700 })
  await createDatabase(path, files, files.records, operations(file))
  try {
    const summary = await noteRestore(path, files, info, now())
    await writeSchemaVersion(files, info.schema)
    return summary
  } catch (error) {
    await rm(files.records, { recursive: true, force: true })
    throw error
  }
}

async function* operations(file: string): AsyncGenerator<Operation<string>> {
  for await (const [key, value] of rowsOfBackup(file)) yield { type: 'put', key, value }
}

/** Checks the new store, and says in its audit log where it came from. */
async function noteRestore(path: string, files: Layout, { createdAt }: BackupInfo, at: number): Promise<BackupSummary> {
  const database = await openDatabase<string>(path, files, files.records, 'utf8', false)
  try {
    const rows = await readRows(path, database)
    await rewrite(database, rows, {
      // Somebody may have logged out since, or was made to.
      changes: [...rows.rows.keys()]
        .filter((key) => key.startsWith(recordKey('logins', '')))
        .map((key) => [key, null] as const),
      audit: {
        actor: 'cli',
        role: 'admin',
        action: 'store.restore',
        object: '',
        result: 'ok',
        detail: `from the backup of ${new Date(createdAt).toISOString()}`,
      },
      at,
    })
    return { createdAt, ...contents(rows.rows, rows.head.audit.seq) }
  } finally {
    await database.close()
  }
}

async function checkEmpty(folder: string, files: Layout): Promise<void> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if (isMissing(error)) return
    throw storeFailed(`${folder} is no folder that can be read`, 'Choose another folder.', error)
  }
  const strangers = names.filter((name) => name !== basename(files.keyFile) && name !== basename(files.images))
  if (strangers.length === 0) return
  throw new GatewayError('EXISTS', `the folder ${folder} is not empty`, {
    hint: 'A restore never writes over anything. Name a new folder, and move only the key file and the folder `images` into it.',
  })
}

function contents(rows: ReadonlyMap<string, string>, auditEntries: number): Omit<BackupSummary, 'createdAt'> {
  // A tombstone is no device.
  const devices = [...rows].filter(
    ([key, text]) => key.startsWith('record!devices!') && !text.endsWith('"value":null}'),
  )
  return { devices: devices.length, auditEntries }
}
