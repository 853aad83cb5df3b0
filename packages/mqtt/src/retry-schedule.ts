import type { Clock } from '@usmp/core'
import type { Presence } from './presence.js'

/** Hints come from anybody who may publish: an attempt that one brings about comes so long after the one before, ms. */
const SHORTEST_PAUSE = 1_000
/** While all gateways say that they are down, attempts come so long after each other at least, ms. */
const DOWN_PAUSE = 60_000
/** A fleet that hears of the same event spreads its attempts over so long, ms. */
const SPREAD = 2_000
/** Gateways of a site that are remembered; the one that was heard of first gives way. */
const MAX_NODES = 16

/** What a {@link RetrySchedule} works with. */
export interface RetryParts {
  readonly clock: Pick<Clock, 'now' | 'setTimer' | 'clearTimer'>
  /** From 0 up to, and not including, 1. */
  readonly random: () => number
  /** A gateway has restarted while there is a session, which may be gone there: it should be asked. At most once a second. */
  readonly onDoubt: () => void
}

/**
 * When a device tries again. It waits out the pauses of `reconnecting`, shorter or longer by what it hears from the broker: "try now"
 * of the gateway, gateways that come and go, the broker itself. All of that is unproven, so a liar must gain nothing but attempts, one a
 * second at most, and a device that hears "down" still tries once a minute.
 *
 * The owner calls `attempt` when it tries, `established` when that gave a session, and `wait` for the pause after either has ended.
 */
export class RetrySchedule {
  readonly #parts: RetryParts
  readonly #nodes = new Map<string, Presence>()
  #lastAttempt = Number.NEGATIVE_INFINITY
  #lastDoubt = Number.NEGATIVE_INFINITY
  #inSession = false
  /** Something came while an attempt was under way, which counts for the pause after it. */
  #wanted = false
  #spread = false
  /** The pause that is waited out now. */
  #pause: { dueAt: number; timer: unknown; readonly resolve: () => void } | undefined

  constructor(parts: RetryParts) {
    this.#parts = parts
  }

  attempt(): void {
    this.#lastAttempt = this.#now
    this.#inSession = false
    this.#wanted = false
    this.#spread = false
  }

  established(): void {
    this.#inSession = true
    this.#wanted = false
  }

  /** A session has ended as its gateway restarted, and so have those of the whole site. */
  lostToRestart(): void {
    this.#spread = true
  }

  /** Waits a pause out. */
  async wait(pause: number, signal: AbortSignal | undefined): Promise<void> {
    this.#inSession = false
    if (signal?.aborted) return
    await new Promise<void>((resolve) => {
      const onAbort = () => this.#end()
      signal?.addEventListener('abort', onAbort)
      this.#pause = {
        dueAt: this.#now + pause,
        timer: undefined,
        resolve: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      if (this.#wanted) this.#pause.dueAt = this.#now
      else if (this.#spread) this.#pause.dueAt = this.#now + this.#parts.random() * SPREAD
      else if (this.#allDown) this.#postpone()
      this.#schedule()
    })
  }

  /** The gateway says "try now". */
  hint(): void {
    if (this.#inSession) return
    this.#hasten(0)
  }

  /** The broker can be reached again. */
  brokerIsBack(): void {
    if (!this.#inSession) this.#hasten(this.#parts.random() * SPREAD)
  }

  /** A gateway says how it is. */
  presence(node: string, presence: Presence): void {
    const before = this.#nodes.get(node)
    const boot = presence.boot ?? before?.boot
    this.#nodes.delete(node)
    this.#nodes.set(node, { up: presence.up, boot })
    if (this.#nodes.size > MAX_NODES) this.#nodes.delete([...this.#nodes.keys()][0]!)
    const restarted = before?.boot !== undefined && before.boot !== boot
    if (this.#inSession) {
      if (restarted) this.#doubt()
      return
    }
    if (presence.up && before && (restarted || !before.up)) this.#hasten(this.#parts.random() * SPREAD)
    if (this.#pause && this.#allDown) this.#postpone()
    this.#schedule()
  }

  get #now(): number {
    return this.#parts.clock.now()
  }

  get #allDown(): boolean {
    return this.#nodes.size > 0 && [...this.#nodes.values()].every(({ up }) => !up)
  }

  #doubt(): void {
    if (this.#now - this.#lastDoubt < SHORTEST_PAUSE) return
    this.#lastDoubt = this.#now
    this.#parts.onDoubt()
  }

  #hasten(delay: number): void {
    if (!this.#pause) {
      this.#wanted = true
      return
    }
    this.#pause.dueAt = Math.min(this.#pause.dueAt, this.#now + delay)
    this.#schedule()
  }

  #postpone(): void {
    this.#pause!.dueAt = Math.max(this.#pause!.dueAt, this.#lastAttempt + DOWN_PAUSE)
  }

  #schedule(): void {
    const pause = this.#pause
    if (!pause) return
    const { clock } = this.#parts
    clock.clearTimer(pause.timer)
    const dueAt = Math.max(pause.dueAt, this.#lastAttempt + SHORTEST_PAUSE)
    pause.timer = clock.setTimer(() => this.#end(), Math.max(0, Math.ceil(dueAt - this.#now)))
  }

  #end(): void {
    const pause = this.#pause
    if (!pause) return
    this.#pause = undefined
    this.#parts.clock.clearTimer(pause.timer)
    pause.resolve()
  }
}
