import { type Session, WaitQueue } from '@usmp/core'

/** Commands at once, those that are being ended included. */
export const MAX_COMMANDS = 100

/**
 * Bounds the commands of `serve --exec`: so many in all, and one for each device, which could otherwise start as many as it
 * opens sessions. A session waits for its slot; its messages wait with it.
 */
export class CommandSlots {
  readonly #running = new Set<string>()
  /** Sessions that wait until a command is gone. */
  readonly #waiting = new WaitQueue()

  /** Whether a session would have to wait. */
  full({ deviceId }: Session): boolean {
    return this.#running.size >= MAX_COMMANDS || this.#running.has(deviceId)
  }

  /** Resolves when the command of the session may run; false if the session ended before that. */
  async acquire(session: Session): Promise<boolean> {
    while (!session.signal.aborted) {
      if (!this.full(session)) {
        this.#running.add(session.deviceId)
        return true
      }
      // The end of the session is looked at above.
      await this.#waiting.wait(session.signal).catch(() => {})
    }
    return false
  }

  /** The command of the session is gone. */
  release({ deviceId }: Session): void {
    this.#running.delete(deviceId)
    this.#waiting.resolveAll()
  }
}
