import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { UsmpError } from '@usmp/core'
import { GatewayError } from '../errors.js'
import { Commits } from './commits.js'
import type { Database } from './database.js'
import { isDamage, reasonOf, storeDamaged, storeFailed } from './failure.js'
import { exists } from './files.js'
import { EMPTY_HEAD } from './head.js'
import { makeKeyFile, readKeyFile } from './key-file.js'
import { openSealing } from './key-rotation.js'
import type { FileKeySealing } from './key-sealing.js'
import { LastCommit, readLastCommit } from './last-commit.js'
import { HEAD_KEY, type Layout, layout, SCHEMA_KEY, SEAL_KEY } from './layout.js'
import { LevelAuditLog } from './level-audit-log.js'
import { LevelRegistry } from './level-registry.js'
import { LevelTelemetry } from './level-telemetry.js'
import { makeState, type Rows, readRows } from './load.js'
import { migrate } from './migrate.js'
import type { RecordState } from './record-state.js'
import { createDatabase, openDatabase } from './records-database.js'
import { MIGRATIONS, readSchemaVersion, SCHEMA_VERSION, writeSchemaVersion } from './schema-version.js'
import { SCHEMAS } from './schemas.js'
import type { Store } from './store.js'

export interface StoreOptions {
  /** Path of the key file that seals the keys of devices; left out: `store.key` in the folder. Made at the first start. */
  readonly keyFile?: string
  /** ms since 1970, for the audit log. */
  readonly now?: () => number
}

/** An open store, and what was strange when it was opened. */
export interface OpenedStore extends Store {
  /** For people: records that cannot be used, changes that are lost. Empty as a rule. */
  readonly warnings: readonly string[]
}

/**
 * Opens the store of a gateway in a folder, or makes one there. Every check is made before anything is written.
 * @throws GatewayError STORE_FAILED: open in another process, damaged, of a newer version, the wrong key file, or the disk refuses;
 * UsmpError INVALID_ARGUMENT, WEAK_PSK: the key file holds no key
 */
export async function openStore(folder: string, options: StoreOptions = {}): Promise<OpenedStore> {
  const path = resolve(folder)
  try {
    return await openIn(path, layout(path), options)
  } catch (error) {
    if (error instanceof GatewayError || error instanceof UsmpError) throw error
    throw storeFailed(
      `the store ${path} cannot be opened: ${reasonOf(error)}`,
      'Look at the disk and its rights.',
      error,
    )
  }
}

async function openIn(path: string, files: Layout, options: StoreOptions): Promise<OpenedStore> {
  const keyFile = options.keyFile ?? files.keyFile
  await mkdir(path, { recursive: true, mode: 0o700 })
  const version = await readSchemaVersion(path, files, SCHEMA_VERSION)
  if (!(await exists(files.records))) await createStore(path, files, keyFile, version)
  const database = await openDatabase<string>(path, files, files.records, 'utf8', false)
  try {
    const found = await readRows(path, database)
    const sealing = await openSealing(keyFile, database)
    if (version !== SCHEMA_VERSION) await writeSchemaVersion(files, SCHEMA_VERSION)
    const now = options.now ?? Date.now
    const rows = await migrate(path, database, found, MIGRATIONS, now)
    return await startStore({ folder: path, files, database, sealing, now }, rows)
  } catch (error) {
    await database.close()
    throw error
  }
}

/** @param version of the store that was in this folder before */
async function createStore(folder: string, files: Layout, keyFile: string, version?: number): Promise<void> {
  if (version !== undefined) throw storeDamaged(folder, `${files.records} is missing`)
  if (!(await exists(keyFile))) await makeKeyFile(keyFile)
  const sealing = await readKeyFile(keyFile)
  try {
    await createDatabase(folder, files, files.records, [
      { type: 'put', key: SCHEMA_KEY, value: String(SCHEMA_VERSION) },
      { type: 'put', key: SEAL_KEY, value: sealing.makeCheck() },
      { type: 'put', key: HEAD_KEY, value: JSON.stringify(EMPTY_HEAD) },
    ])
  } finally {
    sealing.wipe()
  }
}

async function startStore(parts: Omit<Parts, 'telemetry' | 'state' | 'warnings'>, rows: Rows): Promise<OpenedStore> {
  const { folder, files } = parts
  const [state, warnings] = makeState(folder, rows, SCHEMAS)
  const lost = (await readLastCommit(files.lastCommit)) - state.head.commit
  const [telemetry, telemetryWarning] = await openTelemetry(folder, files)
  if (telemetryWarning) warnings.push(telemetryWarning)
  // It only says who has the store open.
  await writeFile(files.pid, `${process.pid}\n`, { mode: 0o600 }).catch(() => {})
  const store = new EmbeddedStore({ ...parts, telemetry, state, warnings })
  try {
    if (lost > 0) await store.noteLoss(lost)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Telemetry is worth less than a gateway that does not start: what is damaged is put aside. */
async function openTelemetry(folder: string, files: Layout): Promise<[Database<Uint8Array>, warning?: string]> {
  const open = async () => {
    if (!(await exists(files.telemetry))) await createDatabase(folder, files, files.telemetry, [])
    return openDatabase<Uint8Array>(folder, files, files.telemetry, 'view', false)
  }
  try {
    return [await open()]
  } catch (error) {
    if (!isDamage(error)) throw error
    const aside = `${files.telemetry}.damaged`
    await rm(aside, { recursive: true, force: true })
    await rename(files.telemetry, aside)
    return [await open(), `the history of readings is damaged and was put aside as ${aside}; a new one begins`]
  }
}

interface Parts {
  readonly folder: string
  readonly files: Layout
  readonly database: Database<string>
  readonly telemetry: Database<Uint8Array>
  readonly state: RecordState
  readonly sealing: FileKeySealing
  readonly now: () => number
  readonly warnings: string[]
}

class EmbeddedStore implements OpenedStore {
  readonly devices
  readonly users
  readonly tokens
  readonly logins
  readonly images
  readonly rollouts
  readonly rolloutDevices
  readonly audit: LevelAuditLog
  readonly telemetry: LevelTelemetry
  readonly keys: FileKeySealing
  readonly warnings: string[]
  readonly #parts: Parts
  readonly #commits: Commits
  readonly #lastCommit: LastCommit
  readonly #listeners = new Set<(reason: string | null) => void>()
  /** By database, so that one that works does not hide one that fails. */
  readonly #reasons = { records: null as string | null, telemetry: null as string | null }
  #closed: Promise<void> | undefined

  constructor(parts: Parts) {
    const { folder, files, database, telemetry, state, now } = parts
    this.#parts = parts
    this.#lastCommit = new LastCommit(files.lastCommit)
    this.#commits = new Commits(database, state, { folder, now, onCommit: (commit) => this.#lastCommit.write(commit) })
    this.devices = new LevelRegistry('devices', SCHEMAS.devices, this.#commits)
    this.users = new LevelRegistry('users', SCHEMAS.users, this.#commits)
    this.tokens = new LevelRegistry('tokens', SCHEMAS.tokens, this.#commits)
    this.logins = new LevelRegistry('logins', SCHEMAS.logins, this.#commits)
    this.images = new LevelRegistry('images', SCHEMAS.images, this.#commits)
    this.rollouts = new LevelRegistry('rollouts', SCHEMAS.rollouts, this.#commits)
    this.rolloutDevices = new LevelRegistry('rolloutDevices', SCHEMAS.rolloutDevices, this.#commits)
    this.audit = new LevelAuditLog(database, this.#commits)
    this.telemetry = new LevelTelemetry(telemetry)
    this.keys = parts.sealing
    this.warnings = parts.warnings
    database.onState = (reason) => this.#setReason('records', reason)
    telemetry.onState = (reason) => this.#setReason('telemetry', reason)
  }

  onState(listener: (reason: string | null) => void): void {
    this.#listeners.add(listener)
    if (this.#reason !== null) this.#tell(listener)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Says in the audit log, too, that the newest commits are gone. */
  async noteLoss(commits: number): Promise<void> {
    const detail = `the newest ${commits} changes are lost; the state is the one before them`
    this.warnings.push(`the store ${this.#parts.folder}: ${detail}. The disk may have lied about what it had written.`)
    await this.audit.append({ actor: 'gateway', role: 'admin', action: 'store.lost', object: '', result: 'ok', detail })
  }

  get #reason(): string | null {
    return this.#reasons.records ?? this.#reasons.telemetry
  }

  /** A listener that throws must not make a commit that is durable look like one that failed. */
  #tell(listener: (reason: string | null) => void): void {
    try {
      listener(this.#reason)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }

  #setReason(of: 'records' | 'telemetry', reason: string | null): void {
    const before = this.#reason
    this.#reasons[of] = reason
    if (this.#reason === before) return
    for (const listener of this.#listeners) this.#tell(listener)
  }

  async #close(): Promise<void> {
    const { files, database, telemetry, sealing } = this.#parts
    await this.#commits.idle()
    const { devices, users, tokens, logins, images, rollouts, rolloutDevices } = this
    for (const registry of [devices, users, tokens, logins, images, rollouts, rolloutDevices]) registry.end()
    await telemetry.close()
    await rm(files.pid, { force: true })
    await database.close()
    this.#lastCommit.close()
    sealing.wipe()
  }
}
