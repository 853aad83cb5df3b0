import { randomBytes } from 'node:crypto'
import type { UnprovenDevice } from '@usmp/node'
import type { InferOutput } from 'valibot'
import type { Carrier, knock } from '../contract/device.js'
import { GatewayError } from '../errors.js'
import type { Cancel, GatewayTime } from '../time.js'

/** Rows at most. */
export const MAX_WAITING = 128
/** How long a proof can be checked after the join window has closed, ms. */
export const PROOF_MEMORY = 3600_000
/** How long a row stays to say that its proof is too old, ms. */
const EXPIRED_MEMORY = 600_000

/** A device that waits for a decision. */
interface Row {
  readonly firstAt: number
  attempt: UnprovenDevice
  proofId: string
  /** Dates. */
  lastAt: number
  count: number
  carrier: Carrier | null
  proven: boolean
  starred: boolean
  /** ms of the clock that never jumps. */
  expiresAt: number
  cancel: Cancel
}

/** A proof that has come, and what is known of it. */
export interface NewProof {
  readonly attempt: UnprovenDevice
  readonly carrier: Carrier | null
  /** The key derived from the master key fits it. */
  readonly proven: boolean
  /** ms until the join window closes. */
  readonly window: number
}

/**
 * Devices that have sent a proof and wait for a person: one row an id, with the newest proof only. When the list is full, the row
 * whose device has not knocked for longest goes, but never one that is proven or starred.
 *
 * It owns the attempts that it keeps, and wipes each one that it lets go of. What must not happen: that a row is made for a proof that
 * did not come, or that a proof stays in memory for ever.
 */
export class WaitingList {
  readonly #time: GatewayTime
  readonly #onChange: (deviceId: string) => void
  /** In order of the last knock, oldest first. */
  readonly #rows = new Map<string, Row>()

  /** @param onChange told of each row that came, changed or went */
  constructor(time: GatewayTime, onChange: (deviceId: string) => void) {
    this.#time = time
    this.#onChange = onChange
  }

  get ids(): readonly string[] {
    return [...this.#rows.keys()]
  }

  has(deviceId: string): boolean {
    return this.#rows.has(deviceId)
  }

  /**
   * A proof has come.
   * @returns false if the list was full, whether or not another row had to go
   */
  add({ attempt, carrier, proven, window }: NewProof): boolean {
    const id = attempt.deviceId
    const older = this.#rows.get(id)
    if (older?.proven && !proven && !this.#isExpired(older)) {
      // Whoever claims the id of a proven device must not push its proof aside.
      older.count++
      attempt.forget()
      this.#onChange(id)
      return true
    }
    const hasRoom = older !== undefined || this.#rows.size < MAX_WAITING
    const lifetime = window + PROOF_MEMORY
    if ((!hasRoom && !this.#evict()) || !attempt.keep(lifetime)) {
      attempt.forget()
      return hasRoom
    }
    older?.cancel()
    older?.attempt.forget()
    const now = this.#time.now()
    // Deleted and set again, so that the order of the map is the order of the last knock.
    this.#rows.delete(id)
    this.#rows.set(id, {
      attempt,
      proofId: randomBytes(8).toString('hex'),
      firstAt: older?.firstAt ?? now,
      lastAt: now,
      count: (older?.count ?? 0) + 1,
      carrier,
      proven,
      starred: older?.starred ?? false,
      expiresAt: this.#time.monotonic() + lifetime,
      cancel: this.#time.after(lifetime + EXPIRED_MEMORY, () => this.remove(id)),
    })
    this.#onChange(id)
    return hasRoom
  }

  /**
   * Whether a device that waits has this key.
   * @throws GatewayError NOT_FOUND, PROOF_CHANGED, PROOF_EXPIRED
   */
  matches(deviceId: string, proofId: string, psk: Uint8Array): boolean {
    const row = this.#checkable(deviceId, proofId)
    return row.attempt.matches(psk)
  }

  /**
   * Whether the key derived from the master key fits the proof.
   * @throws GatewayError NOT_FOUND, PROOF_CHANGED, PROOF_EXPIRED
   */
  isProven(deviceId: string, proofId: string): boolean {
    return this.#checkable(deviceId, proofId).proven
  }

  /** @throws GatewayError NOT_FOUND */
  star(deviceId: string, starred: boolean): void {
    this.#row(deviceId).starred = starred
    this.#onChange(deviceId)
  }

  /** Takes a row off the list and wipes its proof; false if there was none. */
  remove(deviceId: string): boolean {
    const row = this.#rows.get(deviceId)
    if (!row) return false
    row.cancel()
    row.attempt.forget()
    this.#rows.delete(deviceId)
    this.#onChange(deviceId)
    return true
  }

  clear(): void {
    for (const id of this.ids) this.remove(id)
  }

  view(deviceId: string): InferOutput<typeof knock> | null {
    const row = this.#rows.get(deviceId)
    if (!row) return null
    const { proofId, firstAt, lastAt, count, carrier, proven, starred } = row
    const { address } = row.attempt
    return {
      ...{ proofId, firstAt, lastAt, count, carrier, address, proven, starred },
      expiresAt: this.#time.dateOf(row.expiresAt),
    }
  }

  #row(deviceId: string): Row {
    const row = this.#rows.get(deviceId)
    if (!row) {
      throw new GatewayError('NOT_FOUND', `No device ${deviceId} waits for approval.`, {
        hint: 'Open the join window and let the device try again.',
      })
    }
    return row
  }

  #checkable(deviceId: string, proofId: string): Row {
    const row = this.#row(deviceId)
    if (row.proofId !== proofId) {
      throw new GatewayError('PROOF_CHANGED', 'The device has knocked again since you looked.', {
        hint: 'Look at the new knock, then decide again.',
      })
    }
    if (this.#isExpired(row)) {
      throw new GatewayError('PROOF_EXPIRED', 'The proof of the device is too old to be checked.', {
        hint: 'Open the join window and let the device knock again.',
      })
    }
    return row
  }

  #isExpired(row: Row): boolean {
    return this.#time.monotonic() >= row.expiresAt
  }

  /** @returns false if no row may go */
  #evict(): boolean {
    for (const [id, { proven, starred }] of this.#rows) if (!proven && !starred) return this.remove(id)
    return false
  }
}
