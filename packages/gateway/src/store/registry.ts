/** One record of a collection. */
export interface Entry<T> {
  readonly id: string
  /** Grows by one with each change of the record; never goes back, also after it was removed and made again. */
  readonly rev: number
  readonly value: T
}

/** A change, in the order in which changes became durable. `value` is null for a record that was removed. */
export interface Change<T> {
  readonly id: string
  readonly rev: number
  readonly value: T | null
}

/** A change that is asked for: of the record with revision `rev`, 0 if there is none. `value` null removes it. */
export interface Write<T> {
  readonly id: string
  readonly rev: number
  readonly value: T | null
}

/** What is written to the audit log together with a change: both become durable, or neither. */
export interface AuditEvent {
  readonly actor: string
  readonly role: string
  readonly action: string
  readonly object: string
  readonly before?: number | null
  readonly after?: number | null
  readonly result: string
  readonly detail?: string
}

/**
 * Records of one kind, changed by comparison alone: who changes one names the revision that it has seen. The embedded store
 * implements it, and so can a cluster; the same suite of tests holds for all.
 *
 * A promise that resolves means durable: it survives a power cut. What must not happen: that a change is half there, or that
 * two changes name the same revision.
 */
export interface Registry<T> {
  /** @throws GatewayError STORE_FAILED */
  get(id: string): Promise<Entry<T> | undefined>
  /** All records, by id. @throws GatewayError STORE_FAILED */
  list(): Promise<readonly Entry<T>[]>
  /**
   * Writes a record if its revision is `rev` now; 0: if there is none. `value` null removes it.
   * @returns the entry as it is now; for a removal, that with the last revision and the last value
   * @throws GatewayError CONFLICT if the revision is another one, STORE_FAILED if it cannot be written (and then it is not)
   */
  cas(id: string, rev: number, value: T | null, audit?: AuditEvent): Promise<Entry<T>>
  /**
   * As {@link cas} for several records of this registry, in one transaction: all of them are written, or none.
   * @param changes each id once
   */
  casAll(changes: readonly Write<T>[], audit?: AuditEvent): Promise<readonly Entry<T>[]>
  /** Every change after this call, in order, until `signal` aborts. */
  watch(signal: AbortSignal): AsyncIterable<Change<T>>
}
