import { GatewayError } from '../errors.js'
import type { AuditEvent, Entry, Write } from '../store/registry.js'
import type { Store } from '../store/store.js'
import { type DeviceRow, isFinal, isPastApply, isStoredAlike, isTransfer, toRecord } from './device-row.js'
import { deviceKey, type RolloutDeviceRecord, type RolloutRecord } from './records.js'

/** Rows that are written in one transaction. */
const BATCH = 100

type Registries = Pick<Store, 'rollouts' | 'rolloutDevices'>

/** What changes in a roll-out at once. */
export interface Changes {
  readonly rollout?: RolloutRecord | undefined
  readonly rows?: ReadonlyMap<string, DeviceRow>
  readonly audit?: AuditEvent | undefined
}

/**
 * One roll-out as the gateway has it: its record, and the rows of its devices. It owns both, and changes them only after the change is
 * durable. Rows are written before the record, so that a stage never begins without the rows of the one before.
 */
export class LiveRollout {
  readonly id: string
  readonly #registries: Registries
  #entry: Entry<RolloutRecord>
  /** The revision of the last change that a person has made, or that a person has to answer. */
  #decidedRev: number
  readonly #rows = new Map<string, DeviceRow>()
  readonly #revs = new Map<string, number>()

  constructor(registries: Registries, entry: Entry<RolloutRecord>) {
    this.id = entry.id
    this.#registries = registries
    this.#entry = entry
    this.#decidedRev = entry.rev
  }

  get record(): RolloutRecord {
    return this.#entry.value
  }

  get rev(): number {
    return this.#entry.rev
  }

  get rows(): ReadonlyMap<string, DeviceRow> {
    return this.#rows
  }

  /** Whether anything can still happen in it. */
  get isLive(): boolean {
    if (!this.record.closed && this.record.state !== 'aborted') return true
    for (const row of this.#rows.values()) if (isPastApply(row) || isTransfer(row)) return true
    return false
  }

  /** Whether a device is in it and not through. */
  isUnderWay(deviceId: string): boolean {
    const row = this.#rows.get(deviceId)
    return row !== undefined && !isFinal(row) && (isPastApply(row) || !this.record.closed)
  }

  /** A row as it was stored. */
  load(deviceId: string, { rev, value }: Entry<RolloutDeviceRecord>): void {
    this.#rows.set(deviceId, value)
    this.#revs.set(deviceId, rev)
  }

  /**
   * Checks that a command is about the roll-out as it is; what the gateway has done by itself since does not count.
   * @throws GatewayError CONFLICT
   */
  assertSeen(rev: number): void {
    if (rev >= this.#decidedRev && rev <= this.rev) return
    throw new GatewayError('CONFLICT', 'Somebody else has changed this roll-out meanwhile.', {
      hint: 'Look at it again, then repeat the change.',
    })
  }

  /**
   * Writes changes, and then makes them.
   * @throws GatewayError STORE_FAILED, and then nothing of what was not written has changed; CONFLICT if another gateway was quicker
   */
  async commit({ rollout, rows = new Map(), audit }: Changes, decided = false): Promise<void> {
    const changed = [...rows]
    for (let i = 0; i < changed.length; i += BATCH) await this.#writeRows(changed.slice(i, i + BATCH))
    if (!rollout) return
    this.#entry = await this.#registries.rollouts.cas(this.id, this.rev, rollout, audit)
    if (decided || rollout.state === 'paused') this.#decidedRev = this.rev
  }

  /** Takes it and its rows out of the store. */
  async remove(audit?: AuditEvent): Promise<void> {
    await this.#registries.rollouts.cas(this.id, this.rev, null, audit)
    const writes = [...this.#revs].map(([id, rev]) => ({ id: deviceKey(this.id, id), rev, value: null }))
    for (let i = 0; i < writes.length; i += BATCH) {
      await this.#registries.rolloutDevices.casAll(writes.slice(i, i + BATCH))
    }
  }

  async #writeRows(rows: readonly (readonly [id: string, row: DeviceRow])[]): Promise<void> {
    const writes = rows.flatMap(([id, row]): Write<RolloutDeviceRecord>[] => {
      const before = this.#rows.get(id)
      if (before && isStoredAlike(before, row)) return []
      return [{ id: deviceKey(this.id, id), rev: this.#revs.get(id) ?? 0, value: toRecord(row) }]
    })
    const entries = writes.length > 0 ? await this.#registries.rolloutDevices.casAll(writes) : []
    for (const { id, rev } of entries) this.#revs.set(id.slice(this.id.length + 1), rev)
    for (const [id, row] of rows) this.#rows.set(id, row)
  }
}
