import type { DeviceState } from '../contract/device.js'
import { GatewayError } from '../errors.js'
import type { AuditEvent, Change, Registry, Write } from '../store/registry.js'
import type { GatewayTime } from '../time.js'
import { ManagedDevice } from './device.js'
import type { DeviceRecord } from './record.js'

/** Records that are noted in one transaction. */
const BATCH = 100
/** A change is tried again so often when only a note came between. */
const MAX_TRIES = 3

/** What others are told of. */
export interface DirectoryEvents {
  /** Something about a device has changed, or it is there no longer. */
  readonly onChange: (deviceId: string) => void
  /** A device may not have a session any more. */
  readonly onDismissed: (deviceId: string) => void
}

/**
 * All devices, and the one place that applies what the registry says. Changes of this process and of others come the same way, and a
 * revision is applied once.
 */
export class DeviceDirectory {
  readonly #registry: Registry<DeviceRecord>
  readonly #time: GatewayTime
  readonly #events: DirectoryEvents
  readonly #devices = new Map<string, ManagedDevice>()
  /** The revision of the last change of each id, also of those that were removed. */
  readonly #applied = new Map<string, number>()

  constructor(registry: Registry<DeviceRecord>, time: GatewayTime, events: DirectoryEvents) {
    this.#registry = registry
    this.#time = time
    this.#events = events
  }

  /** Reads all records. @throws GatewayError STORE_FAILED */
  async load(): Promise<void> {
    for (const entry of await this.#registry.list()) this.#apply(entry.id, entry.rev, entry.value)
  }

  /** Applies the changes of others until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    for await (const { id, rev, value } of this.#registry.watch(signal) as AsyncIterable<Change<DeviceRecord>>) {
      this.#applyNew(id, rev, value)
    }
  }

  get all(): readonly ManagedDevice[] {
    return [...this.#devices.values()].filter(({ state }) => state !== null)
  }

  find(deviceId: string): ManagedDevice | undefined {
    return this.#devices.get(deviceId)
  }

  /** @throws GatewayError NOT_FOUND */
  get(deviceId: string): ManagedDevice {
    const device = this.#devices.get(deviceId)
    if (!device || device.state === null) throw new GatewayError('NOT_FOUND', `There is no device ${deviceId}.`)
    return device
  }

  /** By the name of each history the device that it goes on with: one that has a key. */
  get historyOwners(): ReadonlyMap<string, string> {
    const owners = new Map<string, string>()
    for (const { id, record } of this.#devices.values()) if (record?.keySource) owners.set(record.history, id)
    return owners
  }

  /** How many devices are in each state. */
  get counts(): Record<DeviceState, number> {
    const counts = { waiting: 0, approved: 0, online: 0, offline: 0, unknown: 0, revoked: 0, blocked: 0 }
    for (const { state } of this.#devices.values()) if (state) counts[state]++
    return counts
  }

  /** A row that waits has come, changed or gone. */
  setWaits(deviceId: string, waits: boolean): void {
    const device = waits ? this.#take(deviceId) : this.#devices.get(deviceId)
    device?.setWaits(waits)
    this.#forgetIfGone(deviceId)
    this.#events.onChange(deviceId)
  }

  /**
   * A device that is new must not go on with the history of another one.
   * @param owners as {@link historyOwners}
   * @throws GatewayError EXISTS
   */
  assertHistoryIsFree(id: string, owners: ReadonlyMap<string, string> = this.historyOwners): void {
    const owner = owners.get(id)
    if (owner === undefined || owner === id) return
    throw new GatewayError('EXISTS', `The device ${id} was replaced: its history goes on with ${owner}.`, {
      hint: `To swap the hardware back, replace ${owner} by it. Else revoke or remove ${owner} first.`,
    })
  }

  /**
   * Writes a record where there is none.
   * @throws GatewayError CONFLICT, STORE_FAILED
   */
  async create(id: string, value: DeviceRecord, event: AuditEvent): Promise<void> {
    await this.#write([{ id, rev: 0, value }], event)
  }

  /** Writes records where there are none: all of them, or none. @throws GatewayError CONFLICT, STORE_FAILED */
  async createAll(records: ReadonlyMap<string, DeviceRecord>, event: AuditEvent): Promise<void> {
    await this.#write(
      [...records].map(([id, value]) => ({ id, rev: 0, value })),
      event,
    )
  }

  /** Keeps a device out, or no longer, without a word in the store; see {@link ManagedDevice.setHeldOut}. */
  setHeldOut(device: ManagedDevice, heldOut: boolean): void {
    device.setHeldOut(heldOut)
    this.#events.onChange(device.id)
  }

  /**
   * Changes a stored record as somebody wants who has seen revision `seen`; null removes it.
   * @param also records that are made in the same transaction
   * @throws GatewayError NOT_FOUND, CONFLICT, STORE_FAILED; what `change` throws
   */
  async update(
    device: ManagedDevice,
    seen: number,
    change: (record: DeviceRecord) => DeviceRecord | null,
    event: AuditEvent,
    also: readonly Write<DeviceRecord>[] = [],
  ): Promise<void> {
    for (let tries = MAX_TRIES; ; tries--) {
      const { id, rev } = device.assertSeen(seen)
      const value = change(device.seenRecord() ?? device.record!)
      try {
        return await this.#write([{ id, rev, value }, ...also], event)
      } catch (error) {
        // When a device was last seen may have been noted meanwhile.
        if (!(error instanceof GatewayError) || error.code !== 'CONFLICT' || tries === 0) throw error
        await this.#refresh(id)
      }
    }
  }

  async #write(writes: readonly Write<DeviceRecord>[], event: AuditEvent): Promise<void> {
    const entries = await this.#registry.casAll(writes, event)
    for (const [i, { id, rev }] of entries.entries()) this.#applyNew(id, rev, writes[i]!.value)
  }

  async #refresh(id: string): Promise<void> {
    const entry = await this.#registry.get(id)
    if (entry) this.#applyNew(id, entry.rev, entry.value)
  }

  #applyNew(id: string, rev: number, value: DeviceRecord | null): void {
    if (rev > (this.#applied.get(id) ?? 0)) this.#apply(id, rev, value)
  }

  /**
   * Notes when devices were last seen, and the like. Who changes a record meanwhile wins.
   * @throws GatewayError STORE_FAILED
   */
  async noteSeen(): Promise<void> {
    const writes = this.all.flatMap((device): (Write<DeviceRecord> & { value: DeviceRecord })[] => {
      const value = device.seenRecord()
      return value ? [{ id: device.id, rev: device.entry!.rev, value }] : []
    })
    for (let i = 0; i < writes.length; i += BATCH) await this.#note(writes.slice(i, i + BATCH))
  }

  async #note(writes: readonly (Write<DeviceRecord> & { value: DeviceRecord })[]): Promise<void> {
    try {
      for (const { id, rev, value } of await this.#registry.casAll(writes)) this.#applyNew(id, rev, value)
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'CONFLICT') throw error
      // One of many was changed: the others need not wait for the next time.
      if (writes.length > 1) for (const write of writes) await this.#note([write])
    }
  }

  #apply(id: string, rev: number, value: DeviceRecord | null): void {
    this.#applied.set(id, rev)
    const device = value ? this.#take(id) : this.#devices.get(id)
    const hadLink = device?.link !== undefined
    device?.setEntry(value ? { id, rev, value } : undefined)
    if (hadLink && !device?.link) this.#events.onDismissed(id)
    this.#forgetIfGone(id)
    this.#events.onChange(id)
  }

  #take(deviceId: string): ManagedDevice {
    let device = this.#devices.get(deviceId)
    if (!device) {
      device = new ManagedDevice(deviceId, this.#time)
      this.#devices.set(deviceId, device)
    }
    return device
  }

  #forgetIfGone(deviceId: string): void {
    if (this.#devices.get(deviceId)?.state === null) this.#devices.delete(deviceId)
  }
}
