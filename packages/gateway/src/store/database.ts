import { open as openFile, rm } from 'node:fs/promises'
import { ClassicLevel } from 'classic-level'
import { GatewayError } from '../errors.js'
import { reasonOf, storeFailed } from './failure.js'

export type Operation<V> = { type: 'put'; key: string; value: V } | { type: 'del'; key: string }
export interface Range {
  readonly gte: string
  readonly lt: string
  readonly reverse?: boolean
  readonly limit?: number
}

/** What may be done with a database that was just opened again. */
export interface Reopened<V> {
  get(key: string): Promise<V | undefined>
  write(operations: Operation<V>[]): Promise<void>
}

/** Bytes that must fit on the disk before a database is opened again: it begins new files then. */
const PROBE_SIZE = 256 * 1024

/**
 * One LevelDB folder that survives failed writes. After a failed write LevelDB must not be used for further writes: a record cut
 * short in its log hides what is written behind it. So it is closed and opened again before the next write, once the disk takes
 * data again. Until then it stays open and answers reads.
 */
export class Database<V extends string | Uint8Array> {
  #level: ClassicLevel<string, V>
  readonly #folder: string
  readonly #probe: string
  /** Set by a failed write; the next write opens the database again. */
  #failed = false
  #opened: Promise<void>
  #closed = false
  /** Writes go one after the other. */
  #lastWrite: Promise<unknown> = Promise.resolve()
  /** Called when the database was opened again, before anything else is written; what it throws keeps the database failed. */
  onReopened: (database: Reopened<V>) => Promise<void> = async () => {}
  /** Why writes fail, or null when they work again. */
  onState: (reason: string | null) => void = () => {}

  private constructor(folder: string, probe: string, level: ClassicLevel<string, V>) {
    this.#folder = folder
    this.#probe = probe
    this.#level = level
    this.#opened = Promise.resolve()
  }

  /** @throws what LevelDB throws, with its code: LEVEL_LOCKED, LEVEL_CORRUPTION and the like */
  static async open<V extends string | Uint8Array>(
    folder: string,
    options: { probe: string; encoding: 'utf8' | 'view'; create: boolean },
  ): Promise<Database<V>> {
    const level = new ClassicLevel<string, V>(folder, {
      valueEncoding: options.encoding,
      // Tables can be checked then, and there is little to gain: keys share their prefixes, and numbers are noise.
      compression: false,
      createIfMissing: options.create,
    })
    try {
      await level.open()
    } catch (error) {
      throw cause(error)
    }
    return new Database(folder, options.probe, level)
  }

  /** @throws GatewayError STORE_FAILED */
  get(key: string): Promise<V | undefined> {
    return this.#read(() => this.#level.get(key))
  }

  /** In order of keys, as they are when the call is made. @throws GatewayError STORE_FAILED */
  async *entries(range: Range): AsyncGenerator<[string, V]> {
    const iterator = await this.#read(async () => this.#level.iterator(range))
    try {
      for (;;) {
        const rows = await this.#read(() => iterator.nextv(512))
        if (rows.length === 0) return
        yield* rows
      }
    } finally {
      await iterator.close()
    }
  }

  /** The first key of a range, then the first at or after what `next` says of it, and so on: one seek each. */
  async *leaps(range: Range, next: (key: string) => string): AsyncGenerator<string> {
    const iterator = await this.#read(async () => this.#level.keys(range))
    try {
      for (;;) {
        const key = await this.#read(() => iterator.next())
        if (key === undefined) return
        yield key
        iterator.seek(next(key))
      }
    } finally {
      await iterator.close()
    }
  }

  /** All operations become durable, or none. Without `sync` the last seconds may be lost by a power cut. @throws GatewayError STORE_FAILED */
  async write(operations: Operation<V>[], options: { sync: boolean }): Promise<void> {
    await this.#attempt(() => this.#level.batch(operations, options))
  }

  /** Removes a range. @throws GatewayError STORE_FAILED */
  async clear(range: Range): Promise<void> {
    await this.#attempt(() => this.#level.clear(range))
  }

  /** Bytes on the disk, about. */
  async size(range: Range): Promise<number> {
    return this.#read(() => this.#level.approximateSize(range.gte, range.lt))
  }

  async compact(range: Range): Promise<void> {
    await this.#read(() => this.#level.compactRange(range.gte, range.lt))
  }

  async close(): Promise<void> {
    await this.#lastWrite
    this.#closed = true
    await this.#level.close()
  }

  #attempt(write: () => Promise<void>): Promise<void> {
    const attempt = this.#lastWrite.then(() => this.#writeOrFail(write))
    this.#lastWrite = attempt.catch(() => {})
    return attempt
  }

  async #writeOrFail(write: () => Promise<void>): Promise<void> {
    if (this.#closed) throw storeFailed('the store is closed', 'The gateway stops, or has stopped.')
    try {
      if (this.#failed) await this.#reopen()
      await write()
    } catch (error) {
      this.#failed = true
      const reason = reasonOf(error)
      this.onState(reason)
      if (error instanceof GatewayError) throw error
      throw storeFailed(
        `the store cannot be written: ${reason}`,
        'Nothing was changed. Make room on the disk or repair it; the gateway tries again with the next change.',
        error,
      )
    }
    this.onState(null)
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    try {
      await this.#opened
      return await read()
    } catch (error) {
      throw storeFailed(
        `the store cannot be read: ${reasonOf(error)}`,
        'Look at the disk. If its files are damaged, restore the newest backup.',
        error,
      )
    }
  }

  /** Opening needs room for new files, and a database that could not be opened again answers no reads. So the disk is tried first. */
  async #reopen(): Promise<void> {
    await probe(this.#probe)
    this.#opened = this.#openAgain()
    this.#opened.catch(() => {})
    await this.#opened
    const level = this.#level
    await this.onReopened({
      get: (key) => level.get(key),
      write: (operations) => level.batch(operations, { sync: true }),
    })
    this.#failed = false
  }

  async #openAgain(): Promise<void> {
    await this.#level.close()
    try {
      await this.#level.open({ createIfMissing: false })
    } catch (error) {
      throw storeFailed(
        `the database ${this.#folder} cannot be opened again: ${reasonOf(cause(error))}`,
        'Make room on the disk or repair it; the gateway tries again with the next change.',
        error,
      )
    }
  }
}

/** What LevelDB says stands in the cause. */
export function cause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}

async function probe(path: string): Promise<void> {
  try {
    const file = await openFile(path, 'w', 0o600)
    try {
      await file.writeFile(new Uint8Array(PROBE_SIZE))
      await file.sync()
    } finally {
      await file.close()
    }
  } finally {
    await rm(path, { force: true })
  }
}
