import type { Fields } from '../output.js'

const MINUTE = 60_000
/** Lines of a minute about devices, and as many about the gateway itself, so that neither hides the other. */
export const MAX_LINES = 120

/** A line for people, and the same as an object. */
export type Line = readonly [text: string, fields: Fields]
/** Writes one line. */
export type Tell = (...line: Line) => void

interface Counted {
  told: number
  count: number
  /** As it is to be said of the last time. */
  readonly line: (count: number) => Line
}

/** Counts what may happen often; each thing is told at once, and then once a minute with how often. */
export class OncePerMinute {
  readonly #now: () => number
  readonly #counted = new Map<string, Counted>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** @returns what is to be told now */
  add(key: string, count: number, line: (count: number) => Line): Line | undefined {
    const before = this.#counted.get(key)
    const counted = { told: before?.told ?? -Infinity, count: (before?.count ?? 0) + count, line }
    this.#counted.set(key, counted)
    return this.#take(counted)
  }

  /** What has waited for its minute, to be told now. */
  due(): Line[] {
    const lines: Line[] = []
    for (const [key, counted] of this.#counted) {
      const line = this.#take(counted)
      if (line) lines.push(line)
      else if (this.#now() - counted.told >= MINUTE) this.#counted.delete(key)
    }
    return lines
  }

  #take(counted: Counted): Line | undefined {
    const { told, count, line } = counted
    const now = this.#now()
    if (count === 0 || now - told < MINUTE) return undefined
    counted.told = now
    counted.count = 0
    return line(count)
  }
}

/** Writes at most {@link MAX_LINES} of each kind a minute, and says how many it left out. */
export class LineBudget {
  readonly #tell: Tell
  readonly #now: () => number
  #began = -Infinity
  #written = { device: 0, gateway: 0 }
  #leftOut = 0

  constructor(tell: Tell, now: () => number) {
    this.#tell = tell
    this.#now = now
  }

  device(text: string, fields: Fields): void {
    this.#write('device', text, fields)
  }

  gateway(text: string, fields: Fields): void {
    this.#write('gateway', text, fields)
  }

  /** Once the minute in which it happened is over. */
  tellLeftOut(): void {
    if (this.#now() - this.#began < MINUTE) return
    this.#began = this.#now()
    this.#written = { device: 0, gateway: 0 }
    const count = this.#leftOut
    this.#leftOut = 0
    if (count > 0) this.#tell(`too much at once: ${count} lines were left out`, { event: 'left-out', count })
  }

  #write(kind: 'device' | 'gateway', text: string, fields: Fields): void {
    this.tellLeftOut()
    if (this.#written[kind]++ < MAX_LINES) this.#tell(text, fields)
    else this.#leftOut++
  }
}
