import type { Database, Operation, Reopened } from './database.js'
import { storeDamaged } from './failure.js'
import { HEAD_KEY } from './layout.js'
import type { RecordState } from './record-state.js'
import { Transaction } from './transaction.js'

/** Changes that wait together are written together: one sync of the disk serves them all. */
const MAX_GROUP = 256

interface Request {
  /** Checks and stages; throws to refuse, before it has staged anything. */
  readonly stage: (transaction: Transaction) => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Every change of records and audit log goes through here, one commit after the other, in the order of the calls. A commit is one
 * synced batch of LevelDB with the new head in it. State and watchers learn of it after it is durable.
 */
export class Commits {
  readonly state: RecordState
  readonly #database: Database<string>
  readonly #folder: string
  readonly #now: () => number
  readonly #onCommit: (commit: number) => void
  readonly #waiting: Request[] = []
  #running: Promise<void> | undefined
  /** A commit whose write failed. It may be in the database after all, and is taken back when that is opened again. */
  #inDoubt: { readonly head: string; readonly undo: Operation<string>[] } | undefined

  constructor(
    database: Database<string>,
    state: RecordState,
    options: { folder: string; now: () => number; onCommit: (commit: number) => void },
  ) {
    this.#folder = options.folder
    this.state = state
    this.#database = database
    this.#now = options.now
    this.#onCommit = options.onCommit
    database.onReopened = (reopened) => this.#takeBack(reopened)
  }

  /**
   * Resolves when what `stage` has staged is durable. `stage` runs later, alone, and must not wait.
   * @throws what `stage` throws; GatewayError STORE_FAILED if it could not be written, and then nothing of it is there
   */
  run<T>(stage: (transaction: Transaction) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T
      this.#waiting.push({
        stage: (transaction) => {
          result = stage(transaction)
        },
        resolve: () => resolve(result),
        reject,
      })
      this.#running ??= this.#drain()
    })
  }

  /** Resolves when nothing waits to be written. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #drain(): Promise<void> {
    // Calls of one turn of the event loop go into one group.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP)
      await this.#commit(group).catch((error) => {
        for (const { reject } of group) reject(error)
      })
    }
    this.#running = undefined
  }

  async #commit(group: Request[]): Promise<void> {
    const transaction = new Transaction(this.state, this.#now())
    const staged: Request[] = []
    for (const request of group) {
      try {
        request.stage(transaction)
        staged.push(request)
      } catch (error) {
        request.reject(error)
      }
    }
    if (staged.length === 0) return
    const { operations, undo, head } = transaction.operations()
    try {
      await this.#database.write(operations, { sync: true })
    } catch (error) {
      this.#inDoubt ??= { head: JSON.stringify(head), undo }
      for (const { reject } of staged) reject(error)
      return
    }
    transaction.apply(head)
    this.#onCommit(head.commit)
    for (const { resolve } of staged) resolve()
  }

  /** Whoever asked for the commit in doubt was told that it is not there. */
  async #takeBack(database: Reopened<string>): Promise<void> {
    const found = await database.get(HEAD_KEY)
    if (found !== JSON.stringify(this.state.head)) {
      if (!this.#inDoubt || found !== this.#inDoubt.head) {
        throw storeDamaged(this.#folder, 'after a failed write it is not what it was before')
      }
      await database.write(this.#inDoubt.undo)
    }
    this.#inDoubt = undefined
  }
}
