import type { MinuteOfReading, TelemetryStore } from '../store/store.js'

export const MINUTE = 60_000

type Write = Parameters<TelemetryStore['write']>[0][number]

interface Sum {
  readonly history: string
  readonly reading: string
  readonly at: number
  count: number
  mean: number
  min: number
  max: number
}

/** Puts values together to minutes: mean, least and most. One minute of each reading is open at a time. */
export class MinuteSums {
  readonly #open = new Map<string, Sum>()
  #done: Write[] = []

  /** Adds a value. One of a minute that is over already is left out. */
  add(history: string, reading: string, at: number, value: number): void {
    const key = keyOf(history, reading)
    const minute = Math.floor(at / MINUTE) * MINUTE
    const sum = this.#open.get(key)
    if (sum && minute < sum.at) return
    if (sum?.at === minute) {
      sum.count++
      sum.min = Math.min(sum.min, value)
      sum.max = Math.max(sum.max, value)
      sum.mean = meanWith(sum, value)
      return
    }
    if (sum) this.#done.push(minuteOf(sum))
    this.#open.set(key, { history, reading, at: minute, count: 1, mean: value, min: value, max: value })
  }

  /** Takes the minutes that are over at `now`; with `all` the open ones too. */
  take(now: number, all = false): Write[] {
    for (const [key, sum] of this.#open) {
      if (!all && sum.at + MINUTE > now) continue
      this.#done.push(minuteOf(sum))
      this.#open.delete(key)
    }
    const done = this.#done
    this.#done = []
    return done
  }

  /** The minutes of a reading that were not taken yet, oldest first; the last one may be open. */
  waiting(history: string, reading: string): MinuteOfReading[] {
    const open = this.#open.get(keyOf(history, reading))
    const done = this.#done.filter((one) => one.history === history && one.reading === reading)
    return [...done, ...(open ? [minuteOf(open)] : [])].map(({ minute }) => minute)
  }

  /** Forgets what is open of a history. */
  remove(history: string): void {
    for (const [key, sum] of this.#open) if (sum.history === history) this.#open.delete(key)
    this.#done = this.#done.filter((write) => write.history !== history)
  }
}

function keyOf(history: string, reading: string): string {
  return `${history} ${reading}`
}

/** Not by the sum, which large values make infinite: such a minute cannot be stored, nor any that is written with it. */
function meanWith({ mean, count, min, max }: Sum, value: number): number {
  return Math.min(max, Math.max(min, mean + (value / count - mean / count)))
}

function minuteOf({ history, reading, at, mean, min, max }: Sum): Write {
  return { history, reading, minute: { at, mean, min, max } }
}
