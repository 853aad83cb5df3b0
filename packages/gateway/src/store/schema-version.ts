import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { count } from '../contract/text.js'
import { storeDamaged, storeFailed } from './failure.js'
import { replaceFile } from './files.js'
import type { Layout } from './layout.js'

/**
 * From the version of its index to the next one: gets all rows of records, by key, and returns those that change, null for
 * those that go. Version 1 is the first.
 */
export type MigrationStep = (rows: ReadonlyMap<string, string>) => Iterable<readonly [key: string, text: string | null]>

/** `MIGRATIONS[0]` leads from version 1 to 2. None yet: version 1 is the newest. */
export const MIGRATIONS: readonly MigrationStep[] = []
export const SCHEMA_VERSION = MIGRATIONS.length + 1

const versionFile = v.object({ schema: v.pipe(count, v.minValue(1)) })

/**
 * The version in `store.json`. It is read before LevelDB opens anything, since opening changes files.
 * @returns undefined if there is no such file
 * @throws GatewayError STORE_FAILED if the store is of a newer version
 */
export async function readSchemaVersion(folder: string, files: Layout, newest: number): Promise<number | undefined> {
  let text: string
  try {
    text = await readFile(files.version, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let schema: number
  try {
    schema = v.parse(versionFile, JSON.parse(text)).schema
  } catch (error) {
    throw storeDamaged(folder, `${files.version} does not say its version`, error)
  }
  if (schema > newest) throw tooNew(folder, schema, newest)
  return schema
}

export function tooNew(folder: string, schema: number, newest: number): Error {
  return storeFailed(
    `the store ${folder} is of version ${schema}, and this gateway knows versions up to ${newest}`,
    'A newer gateway has written it; nothing was changed. Install that version again, or restore a backup of the older one.',
  )
}

/** Written before the database is: an older gateway must never open a store that was begun to be migrated. */
export async function writeSchemaVersion(files: Layout, schema: number): Promise<void> {
  await replaceFile(files.version, `${JSON.stringify({ schema })}\n`)
}
