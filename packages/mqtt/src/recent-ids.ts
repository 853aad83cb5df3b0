const MAX_IDS = 128
/** ms */
const MEMORY = 600_000

/** The device ids that came last, each once: bounded in number and time, as anybody can make up ids. */
export class RecentIds {
  /** When each came, ms; oldest first. */
  readonly #ids = new Map<string, number>()

  add(id: string, now: number): void {
    // Deleted and set again, so that the order of the map is that of the last time.
    this.#ids.delete(id)
    this.#ids.set(id, now)
    if (this.#ids.size > MAX_IDS) this.#ids.delete([...this.#ids.keys()][0]!)
  }

  recent(now: number): string[] {
    return [...this.#ids].filter(([, at]) => now - at < MEMORY).map(([id]) => id)
  }
}
