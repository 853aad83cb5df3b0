import { type Session, UsmpError } from '@usmp/core'
import type { IncomingConnection } from './incoming-connection.js'

/** What becomes of a second session of one device. */
export type DuplicatePolicy = 'replace' | 'reject'

/**
 * The established sessions of a server, one for each device, and the queue of those that the application has yet to take by
 * iterating. It ends no session and sends nothing.
 *
 * The server calls `refusal` for a session that is proven, then `add`, and `remove` when the session has ended; `close` once,
 * after which every iteration ends. What must not happen: that sessions pile up which the application does not take.
 */
export class SessionRegistry implements AsyncIterable<Session> {
  readonly #duplicates: DuplicatePolicy
  readonly #maxBacklog: number
  /** The newest session of each device. One that was replaced is still open until it has ended. */
  readonly #byDevice = new Map<string, Session>()
  readonly #open = new Map<Session, IncomingConnection>()
  readonly #backlog: Session[] = []
  readonly #waiting: (() => void)[] = []
  #closed = false

  /** @param maxBacklog sessions that wait to be taken; above it those that have ended give way */
  constructor(duplicates: DuplicatePolicy, maxBacklog: number) {
    this.#duplicates = duplicates
    this.#maxBacklog = maxBacklog
  }

  /** The sessions that have not ended. */
  get sessions(): readonly Session[] {
    return [...this.#open.keys()]
  }

  /** The session of a device. */
  get(deviceId: string): Session | undefined {
    return this.#byDevice.get(deviceId)
  }

  /** The connection of a session that has not ended. */
  connectionOf(session: Session): IncomingConnection | undefined {
    return this.#open.get(session)
  }

  /** DUPLICATE_DEVICE if the policy does not allow another session of this device now. */
  refusal(deviceId: string): UsmpError | undefined {
    const older = this.get(deviceId)
    const isDuplicate = older && !older.signal.aborted && this.#duplicates === 'reject'
    return isDuplicate ? new UsmpError('DUPLICATE_DEVICE') : undefined
  }

  /**
   * Takes in a session, and lets an iteration have it.
   * @returns the older session of the same device, which the server has to end; it may have ended by itself
   */
  add(session: Session, connection: IncomingConnection): Session | undefined {
    const older = this.get(session.deviceId)
    this.#byDevice.set(session.deviceId, session)
    this.#open.set(session, connection)
    this.#queue(session)
    return older
  }

  /** The session has ended. */
  remove(session: Session): void {
    this.#open.delete(session)
    if (this.#byDevice.get(session.deviceId) === session) this.#byDevice.delete(session.deviceId)
  }

  /** Lets every iteration end, behind the sessions that still wait. */
  close(): void {
    this.#closed = true
    this.#wake()
  }

  /** Every new session, until `close`. Several loops share them. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Session, void, undefined> {
    for (;;) {
      const session = this.#backlog.shift()
      if (session) yield session
      else if (this.#closed) return
      else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** The application may never ask for it, so what has ended gives way; it is kept as long as possible for what it received. */
  #queue(session: Session): void {
    this.#backlog.push(session)
    this.#wake()
    if (this.#backlog.length <= this.#maxBacklog) return
    const ended = this.#backlog.findIndex(({ signal }) => signal.aborted)
    if (ended >= 0) this.#backlog.splice(ended, 1)
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}
