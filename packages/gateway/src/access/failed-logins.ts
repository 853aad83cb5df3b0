import type { AuditLog } from '../store/store.js'
import { BoundedAudit } from './bounded-audit.js'

/** Writes failed logins to the audit log; strangers bring them about, so they are bounded. */
export class FailedLogins {
  readonly #log: BoundedAudit

  /** @param now a monotonic clock, ms */
  constructor(audit: AuditLog, now: () => number) {
    this.#log = new BoundedAudit(audit, now)
  }

  /** @param user null for a name that nobody has: it is not written, as people type passwords in there by mistake */
  add(user: string | null, address: string): Promise<void> {
    return this.#log.add({
      actor: 'nobody',
      role: 'none',
      action: 'login',
      object: user ?? 'unknown user',
      result: 'WRONG_PASSWORD',
      detail: `from ${address}`,
    })
  }
}
