import type { OtaState, UpdateEvent } from '@usmp/ota'
import type { Rollout, RolloutDetail, RolloutDevice } from '../contract/rollouts.js'
import type { DeviceDirectory } from '../devices/directory.js'
import type { Link } from '../devices/link.js'
import { GatewayError } from '../errors.js'
import type { AuditEvent } from '../store/registry.js'
import type { Store } from '../store/store.js'
import type { Cancel, GatewayTime } from '../time.js'
import { type DeviceEvent, type DeviceRow, isFinal, nextRow } from './device-row.js'
import type { Images } from './images.js'
import { LiveRollout } from './live-rollout.js'
import { type Action, type DeviceFacts, type Fleet, pausedRecord, planRollout, shifted } from './plan.js'
import { parseDeviceKey, type RolloutRecord } from './records.js'
import { DeviceReports } from './reports.js'
import { MAX_TRANSFERS, Transfers } from './transfers.js'
import { minuteOfDay } from './update-window.js'
import { deviceOfRollout, devicesOfRollout, viewOfRollout } from './view.js'

/** ms between two looks at what only time changes. */
const TICK = 1_000
/** ms that changes are gathered before a plan is made of them. */
const GATHER = 20
/** So long after the start a device without a session is offline, ms; sooner if all that were there lately are back. */
const SETTLE = 120_000
/** A device that was seen so long before the start is expected back, ms. */
const LATELY = 600_000
/** Plans that are carried out one after the other before others get a turn. */
const MAX_STEPS = 16

/** Events that wait while nothing can be written. */
const MAX_WORK = 10_000

/** The clock of the machine was set when it moves by so much against the other one, ms. */
const MIN_JUMP = 5_000

/** What the driver tells of. */
export interface DriverEvents {
  readonly onRollout: (id: string) => void
  /** A device of a roll-out has changed. */
  readonly onDevice: (rolloutId: string, deviceId: string) => void
  /** A roll-out is gone. */
  readonly onRemoved: () => void
  readonly onWarning: (message: string, cause?: unknown) => void
}

/** Options of {@link RolloutDriver}. */
export interface DriverOptions {
  readonly store: Pick<Store, 'rollouts' | 'rolloutDevices'>
  readonly time: GatewayTime
  readonly directory: DeviceDirectory
  readonly images: Images
  readonly events: DriverEvents
}

/** What is to be done in turn: it is done again until it could be written. */
interface Work {
  readonly rollout: string
  readonly apply: (
    live: LiveRollout,
  ) => { rollout?: RolloutRecord; rows?: ReadonlyMap<string, DeviceRow>; audit?: AuditEvent } | undefined
}

/**
 * Carries roll-outs out: gives what happens on sessions to the rows of devices, makes plans, writes them, and does what they say. All
 * changes go one after the other. It decides nothing; see `planRollout` and `nextRow`.
 *
 * What must not happen: that something is done before it is written that has to be known after a restart; that a device is to blame for
 * what the gateway has done.
 */
export class RolloutDriver {
  readonly reports: DeviceReports
  readonly #options: DriverOptions
  readonly #transfers: Transfers
  readonly #live = new Map<string, LiveRollout>()
  /** The group of each device that may have a session, as it was looked at last. */
  readonly #seen = new Map<string, string>()
  /** Of the clock of the machine against the one that never jumps. */
  #offset: number
  readonly #startedAt: number
  /** Devices that may have been there when the gateway was stopped, and have not come back yet. */
  readonly #expected = new Set<string>()
  /** Why the store takes nothing; null: it does. */
  #held: string | null = null
  #work: Work[] = []
  #last: Promise<unknown> = Promise.resolve()
  #gathering: Cancel | undefined
  #ticking: Cancel | undefined
  #isClosed = false

  constructor(options: DriverOptions) {
    const { time, images, events } = options
    this.#options = options
    this.#startedAt = time.monotonic()
    this.#offset = time.now() - time.monotonic()
    this.reports = new DeviceReports(time, (deviceId, report) => this.#onReport(deviceId, report))
    this.#transfers = new Transfers(images, {
      onEvent: (rollout, device, event) => this.#onEvent(rollout, device, event),
      onProgress: (rollout, device) => events.onDevice(rollout, device),
      onImageFault: (rollout, reason) => this.#onImageFault(rollout, reason),
    })
  }

  /** Reads what is stored, and goes on. @throws GatewayError STORE_FAILED */
  async start(): Promise<void> {
    const { store, time, events } = this.#options
    for (const entry of await store.rollouts.list()) this.#live.set(entry.id, new LiveRollout(store, entry))
    for (const entry of await store.rolloutDevices.list()) {
      const key = parseDeviceKey(entry.id)
      const live = key && this.#live.get(key.rollout)
      // One is left behind if the gateway was killed while it removed a roll-out.
      if (live) live.load(key.device, entry)
      else
        await store.rolloutDevices
          .cas(entry.id, entry.rev, null)
          .catch((error) => events.onWarning('a row of a roll-out that is gone stays', error))
    }
    this.#expect()
    this.#ticking = time.every(TICK, () => this.#tick())
  }

  /** After a crash the records do not say who was there: then it is whoever a roll-out has to do with. */
  #expect(): void {
    const { time, directory } = this.#options
    for (const { id, record } of directory.all) {
      if ((record?.lastSeenAt ?? 0) >= time.now() - LATELY) this.#expected.add(id)
    }
    for (const live of this.#live.values()) {
      if (!live.isLive) continue
      for (const [id, row] of live.rows) if (!isFinal(row) || row.state === 'done') this.#expected.add(id)
    }
  }

  /** Ends transfers; what is stored stays as it is. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#ticking?.()
    this.#gathering?.()
    this.#transfers.close()
    this.reports.close()
    await this.#last.catch(() => {})
  }

  // ─── what sessions tell ───

  onLink(deviceId: string, link: Link): void {
    this.reports.onLink(deviceId, link)
    this.#onChange(deviceId)
  }

  onEnded(deviceId: string, link: Link): void {
    this.reports.onEnded(deviceId, link)
    this.#onChange(deviceId)
  }

  /** A device tells of its updates. */
  onUpdate(deviceId: string, link: Link, event: UpdateEvent): void {
    if (this.reports.link(deviceId) !== link) return
    if (event.type === 'progress') this.#transfers.onProgress(deviceId, link, event)
    // What it runs, its keys and its counter are others now.
    if (event.type === 'confirmed') this.reports.ask(deviceId)
  }

  /** Something about a device has changed: its group, or whether it may have a session. */
  onDevice(deviceId: string): void {
    const device = this.#options.directory.find(deviceId)
    const facts = device?.mayConnect ? (device.record?.group ?? '') : null
    if (this.#seen.get(deviceId) === facts) return
    if (facts === null) this.#seen.delete(deviceId)
    else this.#seen.set(deviceId, facts)
    if (facts === null) this.reports.forget(deviceId)
    this.#onChange(deviceId)
  }

  // ─── what people see and do ───

  /** Newest first. */
  get all(): readonly LiveRollout[] {
    return [...this.#live.values()].sort((a, b) => b.record.createdAt - a.record.createdAt || (a.id < b.id ? 1 : -1))
  }

  /** @throws GatewayError NOT_FOUND */
  get(id: string): LiveRollout {
    const live = this.#live.get(id)
    if (!live) {
      throw new GatewayError('NOT_FOUND', 'There is no such roll-out.', {
        hint: 'The page of updates and `usmp ota status` list those that there are, with their ids.',
      })
    }
    return live
  }

  find(id: string): LiveRollout | undefined {
    return this.#live.get(id)
  }

  /** The newest roll-out that a device is in. */
  rolloutOf(deviceId: string): LiveRollout | undefined {
    return this.all.find(({ rows }) => rows.has(deviceId))
  }

  view(live: LiveRollout, fleet: Fleet = this.fleet()): Rollout {
    return viewOfRollout(live, fleet, this.#heldFor(live))
  }

  detail(id: string): RolloutDetail {
    const [live, fleet] = [this.get(id), this.fleet()]
    const devices = devicesOfRollout(live, fleet, (device) => this.#transfers.offsetOf(id, device))
    return { rollout: this.view(live, fleet), devices }
  }

  device(rolloutId: string, deviceId: string, fleet: Fleet = this.fleet()): RolloutDevice | undefined {
    const live = this.#live.get(rolloutId)
    return live && deviceOfRollout(live, fleet, deviceId, this.#transfers.offsetOf(rolloutId, deviceId))
  }

  /** Transfers that are under way. */
  get transfers(): number {
    return this.#transfers.running
  }

  /** Does something with nothing else between: a command of a person. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    void this.#last.then(() => this.#plan())
    return result
  }

  /** A roll-out that a person has begun. */
  add(live: LiveRollout): void {
    this.#live.set(live.id, live)
    this.#options.events.onRollout(live.id)
  }

  /** A person has changed it. */
  onCommand(live: LiveRollout): void {
    this.#options.events.onRollout(live.id)
  }

  /** One that is not kept any more. */
  drop(id: string): void {
    this.#live.delete(id)
    this.#transfers.forget(id)
    this.#options.events.onRemoved()
  }

  /** All devices that may have a session. */
  fleet(): Fleet {
    const { directory } = this.#options
    const underWay = this.#underWay()
    const fleet = new Map<string, DeviceFacts>()
    for (const { id, record, mayConnect } of directory.all) {
      if (!mayConnect || !record) continue
      fleet.set(id, {
        group: record.group,
        onlineSince: this.reports.onlineSince(id),
        report: this.reports.report(id),
        rollout: underWay.get(id) ?? null,
        dropsSince: (date) => this.reports.dropsSince(id, date),
      })
    }
    return fleet
  }

  #underWay(): Map<string, string> {
    const underWay = new Map<string, string>()
    for (const live of this.#live.values()) {
      if (!live.isLive) continue
      for (const id of live.rows.keys()) if (live.isUnderWay(id)) underWay.set(id, live.id)
    }
    return underWay
  }

  // ─── what happens ───

  #onReport(deviceId: string, report: OtaState | null): void {
    for (const live of this.#live.values()) {
      if (live.rows.has(deviceId)) this.#onEvent(live.id, deviceId, { type: 'report', report })
    }
    this.#onChange(deviceId)
  }

  #onEvent(rolloutId: string, deviceId: string, event: DeviceEvent): void {
    this.#push({
      rollout: rolloutId,
      apply: ({ rows, record }) => {
        const row = rows.get(deviceId)
        const next = row && nextRow(row, event, record.image, this.#options.time.now())
        return next && next !== row ? { rows: new Map([[deviceId, next]]) } : undefined
      },
    })
  }

  #onImageFault(rolloutId: string, reason: string): void {
    const now = this.#options.time.now()
    this.#push({
      rollout: rolloutId,
      apply: ({ record }) => {
        const rollout = pausedRecord(record, cut(`the image cannot be used: ${reason}`), now, false)
        return rollout === record ? undefined : { rollout, audit: auditOf(rolloutId, rollout) }
      },
    })
  }

  #push(work: Work): void {
    // While nothing can be written; the newest says what is so now.
    if (this.#work.push(work) > MAX_WORK) this.#work.splice(1, 1)
    this.#plan()
  }

  /** How a device is seen in the roll-outs may have changed. */
  #onChange(deviceId: string): void {
    if (this.#live.size === 0) return
    for (const live of this.#live.values()) if (live.isLive) this.#options.events.onDevice(live.id, deviceId)
    this.#plan()
  }

  // ─── plans ───

  #tick(): void {
    for (const live of this.#live.values()) if (live.isLive) return this.#plan()
  }

  #plan(): void {
    if (this.#isClosed) return
    this.#gathering ??= this.#options.time.after(GATHER, () => {
      this.#gathering = undefined
      this.#last = this.#last.then(() => this.#step()).catch((error) => this.#onFault(error))
    })
  }

  async #step(): Promise<void> {
    this.#followClock()
    // What has happened has happened: it stays here until it could be written.
    for (let work = this.#work[0]; work; work = this.#work[0]) {
      await this.#do(work)
      this.#work.shift()
    }
    // The oldest first: a transfer of one that is over ends before a new one offers its image to the same device.
    for (const live of [...this.all].reverse()) {
      for (let steps = 0; steps < MAX_STEPS && live.isLive && !this.#isClosed; steps++) {
        if (!(await this.#advance(live))) break
      }
    }
    this.#setHeld(null)
  }

  /** A soak and a pause are as long as they are, though somebody sets the clock of the machine meanwhile. */
  #followClock(): void {
    const { time } = this.#options
    const offset = time.now() - time.monotonic()
    const by = offset - this.#offset
    this.#offset = offset
    if (Math.abs(by) < MIN_JUMP) return
    for (const live of this.#live.values()) {
      if (live.isLive) this.#push({ rollout: live.id, apply: (at) => shifted(at.record, at.rows, by) })
    }
  }

  async #do(work: Work): Promise<void> {
    const live = this.#live.get(work.rollout)
    const changes = live && work.apply(live)
    if (!live || !changes) return
    await live.commit(changes)
    this.#tell(live, changes.rollout !== undefined, changes.rows?.keys() ?? [])
  }

  /** @returns whether something has changed, so that there may be more to do */
  async #advance(live: LiveRollout): Promise<boolean> {
    const { time } = this.#options
    const now = time.now()
    const { rollout, rows, actions } = planRollout({
      id: live.id,
      rollout: live.record,
      rows: live.rows,
      fleet: this.fleet(),
      now,
      minuteOfDay: minuteOfDay(now),
      capacity: Math.max(0, MAX_TRANSFERS - this.#transfers.running),
      isSettled: this.#isSettled(),
    })
    if (!rollout && rows.size === 0 && actions.length === 0) return false
    await live.commit({ rollout, rows, audit: rollout && auditOf(live.id, rollout) })
    for (const action of actions) this.#carryOut(live, action)
    this.#tell(live, rollout !== undefined, rows.keys())
    return true
  }

  #carryOut(live: LiveRollout, { type, id }: Action): void {
    const { image } = live.record
    if (type === 'stop') return this.#transfers.stop(live.id, id)
    const link = this.reports.link(id)
    if (!link) this.#onEvent(live.id, id, { type: 'lost', progressed: true })
    else if (type === 'offer') this.#transfers.start(live.id, id, link, image)
    else void this.#transfers.apply(live.id, id, link, image)
  }

  /** Not before devices that were there when the gateway was stopped had time to come back. */
  #isSettled(): boolean {
    const { time, directory } = this.#options
    if (this.#expected.size > 0 && time.monotonic() - this.#startedAt >= SETTLE) this.#expected.clear()
    for (const id of this.#expected) {
      if (this.reports.report(id) !== undefined || !directory.find(id)?.mayConnect) this.#expected.delete(id)
    }
    return this.#expected.size === 0
  }

  #tell(live: LiveRollout, hasChanged: boolean, devices: Iterable<string>): void {
    const { events } = this.#options
    let some = hasChanged
    for (const id of devices) {
      events.onDevice(live.id, id)
      some = true
    }
    if (some) events.onRollout(live.id)
  }

  #onFault(error: unknown): void {
    if (error instanceof GatewayError && error.code === 'CONFLICT') return void this.#reload().catch(() => {})
    if (error instanceof GatewayError && error.code === 'STORE_FAILED') {
      return this.#setHeld(cut(`the gateway cannot write what it does: ${error.message}`))
    }
    this.#options.events.onWarning('a roll-out does not go on', error)
  }

  /** Another gateway has changed something: what it has written holds. */
  async #reload(): Promise<void> {
    const { store } = this.#options
    this.#transfers.close()
    const rows = await store.rolloutDevices.list()
    for (const entry of await store.rollouts.list()) {
      const live = new LiveRollout(store, entry)
      this.#live.set(entry.id, live)
      for (const row of rows) {
        const key = parseDeviceKey(row.id)
        if (key?.rollout === entry.id) live.load(key.device, row)
      }
      this.#options.events.onRollout(entry.id)
    }
  }

  #setHeld(reason: string | null): void {
    if (reason === this.#held) return
    this.#held = reason
    for (const live of this.#live.values()) if (live.isLive) this.#options.events.onRollout(live.id)
  }

  /** Nothing goes on that cannot be written; a roll-out that is paused or over has its own reason. */
  #heldFor({ record }: LiveRollout): string | null {
    return record.state === 'paused' || record.state === 'aborted' || record.closed ? null : this.#held
  }
}

/** What the audit log says of a change that the gateway has made by itself. */
function auditOf(object: string, { state, stage, reason }: RolloutRecord): AuditEvent {
  const detail = state === 'paused' || state === 'aborted' ? (reason ?? '') : state === 'wave' ? `wave ${stage}` : ''
  const result = 'ok'
  return { actor: 'gateway', role: 'admin', action: `rollout.${state}`, object, result, ...(detail && { detail }) }
}

/** A reason has at most 256 characters. */
function cut(reason: string): string {
  return reason.length <= 256 ? reason : `${reason.slice(0, 255)}…`
}
