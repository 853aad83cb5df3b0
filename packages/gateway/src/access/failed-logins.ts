import type { AuditLog } from '../store/store.js'

/** Most failed logins that are written in a minute, so that strangers cannot fill the disk. */
const MAX_A_MINUTE = 30
const MINUTE = 60_000

/** Writes failed logins to the audit log, and counts those that are too many. */
export class FailedLogins {
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

  /** @param user null for a name that nobody has: it is not written, as people type passwords in there by mistake */
  async add(user: string | null, address: string): Promise<void> {
    const minute = Math.floor(this.#now() / MINUTE)
    if (minute !== this.#minute) [this.#minute, this.#written] = [minute, 0]
    if (this.#written++ >= MAX_A_MINUTE) return void this.#left++
    const more = this.#left > 0 ? `; ${this.#left} more before this one were not written` : ''
    this.#left = 0
    await this.#audit.append({
      actor: 'nobody',
      role: 'none',
      action: 'login',
      object: user ?? 'unknown user',
      result: 'WRONG_PASSWORD',
      detail: `from ${address}${more}`,
    })
  }
}
