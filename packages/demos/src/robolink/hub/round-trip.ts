import { setTimeout } from 'node:timers/promises'
import type { Session } from '@usmp/core'

/** Between two measurements, ms. */
const INTERVAL = 2_000

/** Measures the round trip of a session, for as long as it lives. */
export class RoundTrip {
  #latest: number | undefined

  constructor(session: Session, changed: () => void) {
    void this.#measure(session, changed)
  }

  /** ms, rounded to hundredths; undefined until the first PING was answered. */
  get latest(): number | undefined {
    return this.#latest
  }

  async #measure(session: Session, changed: () => void): Promise<void> {
    try {
      for (;;) {
        this.#latest = Math.round((await session.ping()) * 100) / 100
        changed()
        await setTimeout(INTERVAL, undefined, { signal: session.signal, ref: false })
      }
    } catch {
      // The session has ended; its reader says why.
    }
  }
}
