import type { Session } from '@usmp/core'

/** Lines that may wait for one device that reads slowly; what comes after them does not go to it. */
const MAX_WAITING = 64

/** Told when a device begins to miss lines, and how many it has missed when it takes lines again or its session ends. */
export interface BroadcastEvents {
  onFallingBehind(session: Session): void
  onCaughtUp(session: Session, missed: number): void
}

/** Sends lines to many devices at the pace of the fastest one: a device that does not read delays only itself. */
export class Broadcast {
  readonly #events: BroadcastEvents
  readonly #listeners = new WeakMap<Session, Listener>()

  constructor(events: BroadcastEvents) {
    this.#events = events
  }

  /**
   * Hands a line to every session; resolves when the first has taken it. While the queues of all are full it waits.
   * @returns false if no session took it, because they have all ended
   */
  async send(sessions: readonly Session[], line: Uint8Array): Promise<boolean> {
    const listeners = sessions.map((session) => this.#listener(session))
    if (listeners.every(({ full }) => full)) await Promise.race(listeners.map((listener) => listener.room()))
    return isAny(listeners.map((listener) => listener.offer(line)))
  }

  #listener(session: Session): Listener {
    const known = this.#listeners.get(session)
    if (known) return known
    const listener = new Listener(session, this.#events)
    this.#listeners.set(session, listener)
    return listener
  }
}

/** One device, and the lines that wait for it. */
class Listener {
  readonly #session: Session
  readonly #events: BroadcastEvents
  readonly #waiting: Promise<boolean>[] = []
  #missed = 0

  constructor(session: Session, events: BroadcastEvents) {
    this.#session = session
    this.#events = events
  }

  get full(): boolean {
    return this.#waiting.length >= MAX_WAITING
  }

  /** Resolves when a line that waits has left, or never will. */
  async room(): Promise<void> {
    await this.#waiting[0]
  }

  /** @returns whether the session took the line */
  async offer(line: Uint8Array): Promise<boolean> {
    if (this.full) {
      if (this.#missed++ === 0) this.#events.onFallingBehind(this.#session)
      return false
    }
    const sent = this.#session.send(line).then(
      () => true,
      () => false,
    )
    this.#waiting.push(sent)
    const taken = await sent
    this.#waiting.shift()
    if (this.#waiting.length === 0) this.#tellMissed()
    return taken
  }

  #tellMissed(): void {
    if (this.#missed > 0) this.#events.onCaughtUp(this.#session, this.#missed)
    this.#missed = 0
  }
}

/** Whether any of the promises resolves with true; as soon as the first does. */
function isAny(promises: readonly Promise<boolean>[]): Promise<boolean> {
  const good = promises.map((promise) =>
    promise.then((value) => {
      if (!value) throw new Error()
    }),
  )
  return Promise.any(good).then(
    () => true,
    () => false,
  )
}
