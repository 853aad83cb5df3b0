/** Counts by name, from a fixed set of names, so that nothing a peer says makes it grow. */
export class Counters<Name extends string> {
  readonly #counts = new Map<Name, number>()

  add(name: Name, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  get(name: Name): number {
    return this.#counts.get(name) ?? 0
  }

  toObject(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

/** The limits that the gateway counts when they are reached. */
export type Limit =
  /** More devices knocked than the list holds. */
  | 'waiting-list'
  /** A device sent telemetry too fast. */
  | 'telemetry-rate'
  /** A device sent more than 64 different readings. */
  | 'telemetry-names'
  /** Fine telemetry of all devices takes all the memory that it may. */
  | 'telemetry-memory'
  /** Messages of devices that were no JSON-RPC, or not for the gateway. */
  | 'message-refused'
  /** Connections or handshakes that were refused or ended as there were too many. */
  | 'connections'
  /** Handshakes that were refused after wrong keys. */
  | 'lockout'
  /** Notices to the webhook that were given up or did not fit the queue. */
  | 'webhook-dropped'
