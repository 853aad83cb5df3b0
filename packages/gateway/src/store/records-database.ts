import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { cause, Database, type Operation } from './database.js'
import { reasonOf, storeDamaged, storeFailed } from './failure.js'
import { syncFolder } from './files.js'
import type { Layout } from './layout.js'
import { findDamagedTable } from './table-check.js'

/**
 * Makes a database of the store with `rows` in it, whole or not at all: under another name first.
 * @throws GatewayError STORE_FAILED
 */
export async function createDatabase(
  folder: string,
  files: Layout,
  path: string,
  rows: Iterable<Operation<string>> | AsyncIterable<Operation<string>>,
): Promise<void> {
  const part = `${path}.new`
  // What an attempt has left behind that was cut short.
  await rm(part, { recursive: true, force: true })
  // LevelDB makes files that everybody may read; the folder keeps others out, whoever made the one above it.
  await mkdir(part, { mode: 0o700 })
  const database = await openDatabase<string>(folder, files, part, 'utf8', true)
  try {
    let batch: Operation<string>[] = []
    for await (const row of rows) {
      batch.push(row)
      if (batch.length < 1000) continue
      await database.write(batch, { sync: false })
      batch = []
    }
    await database.write(batch, { sync: true })
  } finally {
    await database.close()
  }
  await rename(part, path)
  await syncFolder(folder)
}

/**
 * Opens a database of the store.
 * @throws GatewayError STORE_FAILED: another process has it open, it is damaged, or the disk refuses
 */
export async function openDatabase<V extends string | Uint8Array>(
  folder: string,
  files: Layout,
  path: string,
  encoding: 'utf8' | 'view',
  create: boolean,
): Promise<Database<V>> {
  const damaged = create ? undefined : await findDamagedTable(path)
  if (damaged !== undefined) throw storeDamaged(folder, `the table ${damaged} in it is not as it was written`)
  try {
    return await Database.open<V>(path, { probe: files.probe, encoding, create })
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'LEVEL_LOCKED') throw await inUse(folder, files, error)
    // LevelDB says INVALID_ARGUMENT for a folder without the file that names the others.
    if (code === 'LEVEL_CORRUPTION' || /does not exist|no such file|CURRENT/i.test(reasonOf(error))) {
      throw storeDamaged(folder, reasonOf(cause(error)), error)
    }
    throw storeFailed(
      `the store ${folder} cannot be opened: ${reasonOf(error)}`,
      'Look at the disk and the rights of the folder.',
      error,
    )
  }
}

async function inUse(folder: string, files: Layout, error: unknown): Promise<Error> {
  const pid = (await readFile(files.pid, 'utf8').catch(() => '')).trim()
  const who = /^\d+$/.test(pid) ? `process ${pid}` : 'another process'
  return storeFailed(
    `the store ${folder} is open in another gateway (${who})`,
    'Only one gateway can use a store. Stop the other one, or give this one a folder of its own.',
    error,
  )
}
