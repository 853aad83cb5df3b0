import type { Database } from './database.js'
import { storeDamaged } from './failure.js'
import { SCHEMA_KEY } from './layout.js'
import type { Rows } from './load.js'
import { rewrite } from './rewrite.js'
import { type MigrationStep, tooNew } from './schema-version.js'

/**
 * Takes the rows through the steps that they have not seen, and writes all in one commit.
 * @returns the rows as they are then
 * @throws GatewayError STORE_FAILED if they are newer than the steps
 */
export async function migrate(
  folder: string,
  database: Database<string>,
  before: Rows,
  steps: readonly MigrationStep[],
  now: () => number,
): Promise<Rows> {
  const newest = steps.length + 1
  const version = Number(await database.get(SCHEMA_KEY))
  if (!Number.isInteger(version) || version < 1) throw storeDamaged(folder, 'it does not say its version')
  if (version > newest) throw tooNew(folder, version, newest)
  if (version === newest) return before
  const rows = new Map(before.rows)
  const changes = new Map<string, string | null>()
  for (const step of steps.slice(version - 1)) {
    for (const [key, text] of [...step(rows)]) {
      changes.set(key, text)
      if (text === null) rows.delete(key)
      else rows.set(key, text)
    }
  }
  return rewrite(database, before, {
    changes,
    others: [{ type: 'put', key: SCHEMA_KEY, value: String(newest) }],
    audit: {
      actor: 'gateway',
      role: 'admin',
      action: 'store.migrate',
      object: '',
      result: 'ok',
      detail: `from version ${version} to ${newest}`,
    },
    at: now(),
  })
}
