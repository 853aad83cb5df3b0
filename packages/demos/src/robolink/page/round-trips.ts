import type { Session } from '@usmp/browser'
import { History } from './history.ts'
import { quantile } from './numbers.ts'

const INTERVAL = 1_000
/** What is kept, ms. */
const SPAN = 60_000

/** Measures the way to the hub and the way to the robot, once a second. */
export class RoundTrips {
  readonly history = new History(SPAN, 2, 3 * INTERVAL)
  #toRobot: number[] = []
  #last: number | undefined
  #unansweredSince: number | undefined

  /** The last answered PING to the hub, ms, and since when one is unanswered. */
  get ping(): { last: number | undefined; unansweredSince: number | undefined } {
    return { last: this.#last, unansweredSince: this.#unansweredSince }
  }

  /** Median and 95th percentile of the way to the robot and back, over the last minute, ms. */
  get toRobot(): { median: number | undefined; p95: number | undefined } {
    return { median: quantile(this.#toRobot, 0.5), p95: quantile(this.#toRobot, 0.95) }
  }

  /** Another robot: what was measured is not about it. */
  clear(): void {
    this.#toRobot = []
    this.history.clear()
  }

  /**
   * Measures until the session ends.
   * @param askRobot resolves when the robot has answered through the hub; undefined while there is none
   */
  async measure(session: Session, askRobot: () => Promise<unknown> | undefined): Promise<void> {
    this.#last = undefined
    while (!session.signal.aborted) {
      this.#unansweredSince = performance.now()
      // Whatever goes wrong ends the session, or is shown where it belongs; here it is a measurement that failed.
      const hub = await session.ping().catch(() => undefined)
      this.#unansweredSince = undefined
      if (hub === undefined) continue
      this.#last = hub
      const robot = await timed(askRobot)
      this.history.add(performance.now(), hub, robot ?? null)
      if (robot !== undefined) this.#toRobot = [...this.#toRobot, robot].slice(-SPAN / INTERVAL)
      await new Promise((resolve) => setTimeout(resolve, INTERVAL))
    }
    this.#last = undefined
  }
}

async function timed(act: () => Promise<unknown> | undefined): Promise<number | undefined> {
  const begin = performance.now()
  try {
    const answer = act()
    if (!answer) return undefined
    await answer
    return performance.now() - begin
  } catch {
    return undefined
  }
}
