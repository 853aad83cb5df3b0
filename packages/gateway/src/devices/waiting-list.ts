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

/** How long a proof can still be decided about after a newer one has come, ms: somebody may be looking at it. */
const OLDER_MEMORY = 60_000

/** What a device has sent, and what is known of it. */
interface Proof {
  readonly id: string
  readonly attempt: UnprovenDevice
  readonly carrier: Carrier | null
  readonly proven: boolean
  /** ms of the clock that never jumps. */
  readonly expiresAt: number
}

/** A device that waits for a decision. */
interface Row {
  readonly newest: Proof
  /** One that came before it; the newest ones do not push it aside while it is there. */
  older: { readonly proof: Proof; readonly cancel: Cancel } | undefined
  /** Dates. */
  readonly firstAt: number
  readonly lastAt: number
  count: number
  starred: boolean
  readonly cancel: Cancel
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
 * Devices that have sent a proof and wait for a person: one row an id, with the newest proof. When the list is full, the row whose
 * device has not knocked for longest goes, but never one that is proven or starred.
 *
 * One older proof is kept for a minute, so that who knocks with the id of another device does not hold up its approval. A decision
 * names the proof that it is about, and its key is tried on that one alone.
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
    const before = this.#rows.get(id)
    if (before?.newest.proven && !proven && !this.#isExpired(before.newest)) {
      // Whoever claims the id of a proven device must not push its proof aside.
      before.count++
      attempt.forget()
      this.#onChange(id)
      return true
    }
    const hasRoom = before !== undefined || this.#rows.size < MAX_WAITING
    const lifetime = window + PROOF_MEMORY
    if ((!hasRoom && !this.#evict()) || !attempt.keep(lifetime)) {
      attempt.forget()
      return hasRoom
    }
    before?.cancel()
    const now = this.#time.now()
    const expiresAt = this.#time.monotonic() + lifetime
    // Deleted and set again, so that the order of the map is the order of the last knock.
    this.#rows.delete(id)
    this.#rows.set(id, {
      newest: { id: randomBytes(8).toString('hex'), attempt, carrier, proven, expiresAt },
      older: before && this.#olderOf(id, before),
      firstAt: before?.firstAt ?? now,
      lastAt: now,
      count: (before?.count ?? 0) + 1,
      starred: before?.starred ?? false,
      cancel: this.#time.after(lifetime + EXPIRED_MEMORY, () => this.remove(id)),
    })
    this.#onChange(id)
    return hasRoom
  }

  /** What stays of a row when a newer proof comes. */
  #olderOf(deviceId: string, { newest, older }: Row): Row['older'] {
    if (older) {
      newest.attempt.forget()
      return older
    }
    const forget = () => {
      newest.attempt.forget()
      const row = this.#rows.get(deviceId)
      if (row?.older?.proof === newest) row.older = undefined
    }
    return { proof: newest, cancel: this.#time.after(OLDER_MEMORY, forget) }
  }

  /**
   * Whether a device that waits has this key.
   * @throws GatewayError NOT_FOUND, PROOF_CHANGED, PROOF_EXPIRED
   */
  matches(deviceId: string, proofId: string, psk: Uint8Array): boolean {
    return this.#checkable(deviceId, proofId).attempt.matches(psk)
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
    row.newest.attempt.forget()
    row.older?.cancel()
    row.older?.proof.attempt.forget()
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
    const { newest, firstAt, lastAt, count, starred } = row
    const { id: proofId, attempt, carrier, proven, expiresAt } = newest
    return {
      ...{ proofId, firstAt, lastAt, count, carrier, address: attempt.address, proven, starred },
      expiresAt: this.#time.dateOf(expiresAt),
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

  #checkable(deviceId: string, proofId: string): Proof {
    const { newest, older } = this.#row(deviceId)
    const proof = [newest, older?.proof].find((one) => one?.id === proofId)
    if (!proof) {
      throw new GatewayError('PROOF_CHANGED', 'The device has knocked again since you looked.', {
        hint: 'Look at the new knock, then decide again.',
      })
    }
    if (this.#isExpired(proof)) {
      throw new GatewayError('PROOF_EXPIRED', 'The proof of the device is too old to be checked.', {
        hint: 'Open the join window and let the device knock again.',
      })
    }
    return proof
  }

  #isExpired({ expiresAt }: Proof): boolean {
    return this.#time.monotonic() >= expiresAt
  }

  /** @returns false if no row may go */
  #evict(): boolean {
    for (const [id, { newest, starred }] of this.#rows) if (!newest.proven && !starred) return this.remove(id)
    return false
  }
}
