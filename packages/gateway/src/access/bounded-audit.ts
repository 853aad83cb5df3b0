import type { AuditEvent } from '../store/registry.js'
import type { AuditLog } from '../store/store.js'

/** Most entries of one kind in a minute, so that nobody can fill the disk. */
const MAX_A_MINUTE = 30
const MINUTE = 60_000

/** Writes what may come very often to the audit log, and counts what is too much. */
export class BoundedAudit {
  readonly #audit: AuditLog
  readonly #now: () => number
  #minute = 0
  #written = 0
  #left = 0

  /** @param now a monotonic clock, ms */
  constructor(audit: AuditLog, now: () => number) {
    this.#audit = audit
    this.#now = now
  }

  async add({ detail, ...event }: AuditEvent & { readonly detail: string }): Promise<void> {
    const minute = Math.floor(this.#now() / MINUTE)
    if (minute !== this.#minute) [this.#minute, this.#written] = [minute, 0]
    if (this.#written++ >= MAX_A_MINUTE) return void this.#left++
    const more = this.#left > 0 ? `; ${this.#left} more before this one were not written` : ''
    this.#left = 0
    await this.#audit.append({ ...event, detail: detail + more })
  }
}
