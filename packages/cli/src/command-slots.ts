import type { Session } from '@usmp/core'

/** Commands at once, those that are being ended included. */
export const MAX_COMMANDS = 100

/**
 * Bounds the commands of `serve --exec`: so many in all, and one for each device, which could otherwise start as many as it
 * opens sessions. A session waits for its turn; its messages wait with it.
 */
export class CommandSlots {
  readonly #running = new Set<string>()
  readonly #waiting = new Map<Session, () => void>()

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
      await this.#change(session)
    }
    return false
  }

  /** The command of the session is gone. */
  release({ deviceId }: Session): void {
    this.#running.delete(deviceId)
    for (const wake of [...this.#waiting.values()]) wake()
  }

  /** A command is gone, or the session is over. */
  #change(session: Session): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        session.signal.removeEventListener('abort', wake)
        this.#waiting.delete(session)
        resolve()
      }
      this.#waiting.set(session, wake)
      session.signal.addEventListener('abort', wake, { once: true })
    })
  }
}
