import type { OtaState } from '@usmp/ota'
import type { Image, RolloutSettings } from '../../src/contract/rollouts.js'
import { type DeviceEvent, type DeviceRow, isTransfer, nextRow } from '../../src/rollouts/device-row.js'
import { type Action, type Fleet, pausedRecord, planRollout, resumedRecord } from '../../src/rollouts/plan.js'
import type { RolloutRecord } from '../../src/rollouts/records.js'

export const IMAGE: Image = {
  id: '1a'.repeat(32),
  sha256: '2b'.repeat(32),
  size: 1000,
  product: 'sensor',
  chip: 'esp32c3',
  version: '1.2.0',
  counter: 1,
  leastVersion: '0.0.0',
  name: 'spring',
  keyId: '3c'.repeat(8),
  verified: true,
  addedAt: 0,
  addedBy: 'ada',
}
export const SETTINGS: RolloutSettings = {
  canary: 1,
  pauseAfterCanary: false,
  soak: 10_000,
  waves: [50, 100],
  maxParallel: 2,
  window: null,
}

/** A roll-out that has just begun. */
export function record(settings: Partial<RolloutSettings> = {}, changes: Partial<RolloutRecord> = {}): RolloutRecord {
  const all = { ...SETTINGS, ...settings }
  return {
    name: 'spring',
    image: IMAGE,
    target: { kind: 'all' },
    settings: all,
    state: all.canary > 0 ? 'canary' : 'wave',
    stage: all.canary > 0 ? 0 : 1,
    since: 0,
    createdAt: 0,
    createdBy: 'ada',
    reason: null,
    soakUntil: null,
    heldIn: null,
    heldByRule: false,
    forgiven: {},
    closed: false,
    ...changes,
  }
}

/** What a device tells before it has the image. */
export function oldState(changes: Partial<OtaState> = {}): OtaState {
  return {
    product: 'sensor',
    chip: 'esp32c3',
    version: '1.1.0',
    counter: 0,
    sha256: '00'.repeat(32),
    state: 'confirmed',
    confirmWithin: null,
    rollback: true,
    keys: [],
    staged: null,
    rolledBack: null,
    ...changes,
  }
}

/** … and once it has confirmed it. */
export const newState = (): OtaState => oldState({ version: IMAGE.version, sha256: IMAGE.sha256, counter: 1 })

/** How a device takes the image: by the number of the attempt. */
export type Behaviour =
  | 'good'
  | 'refuses'
  | 'rolls-back'
  | 'fails-once'
  | 'vanishes'
  | 'creeps'
  | 'not-now'
  | 'loses-session'
  | 'foreign'

interface ModelDevice {
  readonly behaviour: Behaviour
  online: boolean
  report: OtaState | null
  /** What it does next, once. */
  next: { readonly at: number; readonly do: () => void } | undefined
  drops: number[]
  attempts: number
}

/** A roll-out with devices that do what their behaviour says, in time that a test lets pass: no sockets, no store. */
export class Model {
  now = 1_000_000
  rollout: RolloutRecord
  rows = new Map<string, DeviceRow>()
  readonly devices = new Map<string, ModelDevice>()
  /** All that the plans have asked for. */
  readonly actions: (Action & { readonly at: number; readonly state: string })[] = []
  minuteOfDay = 0
  capacity = 100

  constructor(settings: Partial<RolloutSettings> = {}) {
    this.rollout = record(settings)
  }

  add(id: string, behaviour: Behaviour, online = true): void {
    const report = behaviour === 'foreign' ? oldState({ product: 'pump' }) : oldState()
    this.devices.set(id, { behaviour, online, report, next: undefined, drops: [], attempts: 0 })
  }

  get fleet(): Fleet {
    return new Map(
      [...this.devices].map(([id, { online, report, drops }]) => [
        id,
        {
          group: null,
          rollout: null,
          onlineSince: online ? 0 : null,
          report,
          dropsSince: (date: number) => drops.filter((at) => at >= date).length,
        },
      ]),
    )
  }

  /** Plans until there is nothing more to do now. */
  settle(check: () => void = () => {}): void {
    for (let steps = 0; ; steps++) {
      if (steps > 1000) throw new Error('the plans do not come to rest')
      const { now, minuteOfDay, fleet, rows, rollout, capacity } = this
      const plan = planRollout({ id: 'r', rollout, rows, fleet, now, minuteOfDay, capacity, isSettled: true })
      if (!plan.rollout && plan.rows.size === 0 && plan.actions.length === 0) return
      for (const [id, row] of plan.rows) this.rows.set(id, row)
      this.rollout = plan.rollout ?? this.rollout
      for (const action of plan.actions) {
        this.actions.push({ ...action, at: now, state: this.rollout.state })
        this.#carryOut(action)
      }
      check()
    }
  }

  /** Lets time pass: devices do what is due, and plans follow. */
  pass(ms: number, step = 1000, check?: () => void): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += Math.min(step, end - this.now)
      for (const device of this.devices.values()) {
        const { next } = device
        if (!next || next.at > this.now) continue
        device.next = undefined
        next.do()
      }
      this.settle(check)
    }
  }

  setOnline(id: string, online: boolean): void {
    const device = this.devices.get(id)!
    if (device.online === online) return
    device.online = online
    if (online) return this.event(id, { type: 'report', report: device.report })
    device.drops.push(this.now)
    this.event(id, { type: 'lost', progressed: false })
  }

  event(id: string, event: DeviceEvent): void {
    const row = this.rows.get(id)
    if (row) this.rows.set(id, nextRow(row, event, IMAGE, this.now))
  }

  pause(): void {
    this.rollout = pausedRecord(this.rollout, 'by hand', this.now, false)
    this.settle()
  }

  resume(): void {
    this.rollout = resumedRecord(this.rollout, this.rows.values(), this.now)
    this.settle()
  }

  abort(): void {
    this.rollout = { ...this.rollout, state: 'aborted', closed: true }
    this.settle()
  }

  /** The gateway dies and starts again: what is on the way is known no more. */
  restart(): void {
    for (const [id, row] of this.rows) {
      // What a device does by itself it goes on with; what it got of the gateway ends.
      if (isTransfer(row) && this.devices.get(id)?.online) this.devices.get(id)!.next = undefined
      if (isTransfer(row)) this.rows.set(id, { ...row, state: 'targeted' })
      if (row.state === 'verifying') this.rows.set(id, { ...row, state: 'rebooting' })
    }
    for (const [id, { online, report }] of this.devices) if (online) this.event(id, { type: 'report', report })
  }

  states(): Record<string, string> {
    return Object.fromEntries([...this.rows].map(([id, { state }]) => [id, state]))
  }

  #carryOut({ type, id }: Action): void {
    const device = this.devices.get(id)
    if (!device) return
    if (type === 'stop') device.next = undefined
    else if (type === 'offer') this.#onOffer(id, device)
    else this.#onApply(id, device)
  }

  #onOffer(id: string, device: ModelDevice): void {
    device.attempts++
    const after = (ms: number, what: () => void) => {
      device.next = { at: this.now + ms, do: what }
    }
    const fail = (code: number | string) => after(500, () => this.event(id, { type: 'failed', code, reason: 'no' }))
    if (device.behaviour === 'refuses') return fail(-32013)
    if (device.behaviour === 'not-now' && device.attempts < 4) return fail(-32020)
    if (device.behaviour === 'fails-once' && device.attempts === 1) return fail(-32022)
    if (device.behaviour === 'loses-session' && device.attempts < 3) {
      return after(700, () => {
        this.setOnline(id, false)
        after(5000, () => this.setOnline(id, true))
      })
    }
    after(1000, () => {
      this.event(id, { type: 'taken' })
      if (device.behaviour === 'creeps') return
      after(2000, () => this.event(id, { type: 'staged' }))
    })
  }

  #onApply(id: string, device: ModelDevice): void {
    device.online = false
    const back = (report: OtaState, then?: () => void) => {
      device.next = {
        at: this.now + 4000,
        do: () => {
          device.report = report
          this.setOnline(id, true)
          then?.()
        },
      }
    }
    if (device.behaviour === 'vanishes') return
    if (device.behaviour === 'rolls-back') return back(oldState({ rolledBack: IMAGE.sha256 }))
    back({ ...newState(), state: 'pending', confirmWithin: 60_000 }, () => {
      device.next = {
        at: this.now + 2000,
        do: () => {
          device.report = newState()
          this.event(id, { type: 'report', report: device.report })
        },
      }
    })
  }
}
