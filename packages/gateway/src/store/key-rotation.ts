import { rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { DeviceRecord } from '../devices/record.js'
import type { Database } from './database.js'
import { storeFailed } from './failure.js'
import { exists, syncFolder } from './files.js'
import { makeKeyFile, readKeyFile } from './key-file.js'
import type { FileKeySealing } from './key-sealing.js'
import { layout, recordKey, SEAL_KEY } from './layout.js'
import { makeState, type Rows, readRows } from './load.js'
import { rowText } from './record-state.js'
import { openDatabase } from './records-database.js'
import { rewrite } from './rewrite.js'
import { SCHEMAS } from './schemas.js'

/** A new key file is here until all keys are sealed by it; then it takes the place of the old one. */
function nextKeyFile(keyFile: string): string {
  return `${keyFile}.new`
}

/**
 * The sealing by the key file of this store. Finishes a rotation that was cut short after its commit.
 * @throws GatewayError STORE_FAILED if the key file is missing, or is another one
 */
export async function openSealing(keyFile: string, database: Database<string>): Promise<FileKeySealing> {
  const check = (await database.get(SEAL_KEY)) ?? ''
  const next = nextKeyFile(keyFile)
  if (await exists(next)) {
    const sealing = await readKeyFile(next)
    if (sealing.fits(check)) {
      await replaceKeyFile(keyFile)
      return sealing
    }
    sealing.wipe()
  }
  const sealing = await readKeyFile(keyFile)
  if (sealing.fits(check)) return sealing
  sealing.wipe()
  throw storeFailed(
    `the key file ${keyFile} is not that of this store`,
    'The keys of the devices were sealed by another one. Put that file back, or name it by the option for the key file. ' +
      'If it is the right one, the store is damaged: restore the newest backup.',
  )
}

/**
 * Seals all keys of devices by a new key file, which takes the place of the old one. The gateway must be stopped. Cut short, it
 * leaves either the old state or the new one; backups made before still need the old key file.
 * @param options.keyFile left out: `store.key` in the folder
 * @returns how many keys were sealed anew
 * @throws GatewayError STORE_FAILED, also if one of the keys cannot be opened; then nothing was changed
 */
export async function rotateKeyFile(
  folder: string,
  options: { keyFile?: string; now?: () => number } = {},
): Promise<number> {
  const path = resolve(folder)
  const files = layout(path)
  const keyFile = options.keyFile ?? files.keyFile
  const database = await openDatabase<string>(path, files, files.records, 'utf8', false)
  try {
    const rows = await readRows(path, database)
    const old = await openSealing(keyFile, database)
    // An attempt before this one may have left it.
    if (!(await exists(nextKeyFile(keyFile)))) await makeKeyFile(nextKeyFile(keyFile))
    const sealing = await readKeyFile(nextKeyFile(keyFile))
    try {
      const changes = resealed(path, rows, old, sealing)
      await rewrite(database, rows, {
        changes,
        others: [{ type: 'put', key: SEAL_KEY, value: sealing.makeCheck() }],
        audit: {
          actor: 'cli',
          role: 'admin',
          action: 'store.rotate-key',
          object: '',
          result: 'ok',
          detail: `${changes.length} keys sealed by a new key file`,
        },
        at: (options.now ?? Date.now)(),
      })
      await replaceKeyFile(keyFile)
      return changes.length
    } finally {
      old.wipe()
      sealing.wipe()
    }
  } finally {
    await database.close()
  }
}

/** The rows of all devices with a key, sealed anew. */
function resealed(folder: string, rows: Rows, old: FileKeySealing, next: FileKeySealing): [string, string][] {
  const [state] = makeState(folder, rows, SCHEMAS)
  const changes: [string, string][] = []
  for (const [id, row] of state.collection('devices').rows) {
    // Not by the schema: also a record that this version cannot use keeps its key.
    const { sealedKey } = (row.value ?? {}) as Partial<DeviceRecord>
    if (!sealedKey) continue
    const psk = old.open(id, sealedKey)
    const value = { ...(row.value as DeviceRecord), sealedKey: next.seal(id, psk) }
    psk.fill(0)
    changes.push([recordKey('devices', id), rowText(row.rev + 1, rows.head.commit + 1, value)])
  }
  return changes
}

async function replaceKeyFile(keyFile: string): Promise<void> {
  await rename(nextKeyFile(keyFile), keyFile)
  await syncFolder(dirname(resolve(keyFile)))
}
