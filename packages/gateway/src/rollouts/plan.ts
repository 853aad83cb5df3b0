import type { RolloutState } from '../contract/rollouts.js'
import { type Candidate, chooseCanaries, chooseWave } from './choice.js'
import {
  type DeviceRow,
  isDeferred,
  isFinal,
  isPastApply,
  isTransfer,
  mismatch,
  newRow,
  notReturned,
  RETURN_TIMEOUT,
  TRANSFER_TIMEOUT,
  tooSlow,
  withdrawn,
} from './device-row.js'
import { failureLimit, weightOf } from './failure-limit.js'
import type { RolloutRecord } from './records.js'
import { targetFilter } from './targets.js'
import { isInWindow } from './update-window.js'

/** What the gateway knows of a device that may have a session. */
export interface DeviceFacts extends Omit<Candidate, 'id'> {
  /** The roll-out in which it is not through yet, if any. */
  readonly rollout: string | null
  /** How many sessions it has lost since a date. */
  readonly dropsSince: (date: number) => number
}

/** All devices that may have a session, by id. */
export type Fleet = ReadonlyMap<string, DeviceFacts>

/** What a plan is made of. Nothing else goes into it: the same situation gives the same plan. */
export interface Situation {
  readonly id: string
  readonly rollout: RolloutRecord
  readonly rows: ReadonlyMap<string, DeviceRow>
  readonly fleet: Fleet
  readonly now: number
  /** Of the place where the gateway is. */
  readonly minuteOfDay: number
  /** Transfers that the gateway can begin now. */
  readonly capacity: number
  /** Whether the gateway runs for long enough that a device without a session is offline, and not only on its way back. */
  readonly isSettled: boolean
}

/** What the gateway is to do with a device. */
export interface Action {
  readonly type: 'offer' | 'apply' | 'stop'
  readonly id: string
}

/** What is to change, and then to be done. */
export interface Plan {
  /** Undefined: nothing. */
  readonly rollout: RolloutRecord | undefined
  readonly rows: ReadonlyMap<string, DeviceRow>
  readonly actions: readonly Action[]
}

/**
 * What comes next in a roll-out. It looks at where things are, never at how they came there: after the gateway has died it goes on with
 * what is stored and with what the devices tell.
 *
 * What must not happen: more transfers than `maxParallel`; an offer or a restart in a roll-out that is paused or aborted, or outside its
 * window; a stage that begins before the one before it is through.
 */
export function planRollout(situation: Situation): Plan {
  const plan = new Planner(situation)
  plan.endLosses()
  const { state, closed } = situation.rollout
  if (state === 'paused' || state === 'aborted' || closed) plan.stopTransfers()
  else if (!plan.pauseAtFailureLimit()) plan.proceed(state)
  return plan.result()
}

/** Where devices are updated: the stages up to the present one, and in them whoever is there. */
class Planner {
  readonly #situation: Situation
  readonly #rows: Map<string, DeviceRow>
  readonly #changed = new Map<string, DeviceRow>()
  readonly #actions: Action[] = []
  #rollout: RolloutRecord
  #isChanged = false

  constructor(situation: Situation) {
    this.#situation = situation
    this.#rollout = situation.rollout
    this.#rows = new Map(situation.rows)
  }

  result(): Plan {
    return {
      rollout: this.#isChanged ? this.#rollout : undefined,
      rows: this.#changed,
      actions: this.#actions,
    }
  }

  /** Devices that did not come back or are too slow, and such as may not come back any more. */
  endLosses(): void {
    const { fleet, now, isSettled } = this.#situation
    for (const [id, row] of this.#rows) {
      if (isFinal(row)) continue
      if (!fleet.has(id)) this.#end(id, withdrawn(row, now))
      else if (row.state === 'transferring' && now - row.since >= TRANSFER_TIMEOUT) this.#end(id, tooSlow(row, now))
      else if (isSettled && isPastApply(row) && now - row.since >= RETURN_TIMEOUT) this.#set(id, notReturned(row, now))
    }
  }

  stopTransfers(): void {
    for (const [id, row] of this.#rows) {
      if (isTransfer(row)) this.#end(id, { ...row, state: 'targeted', since: this.#situation.now })
    }
  }

  /** @returns whether the roll-out is paused now */
  pauseAtFailureLimit(): boolean {
    for (let stage = 0; stage <= this.#rollout.stage; stage++) {
      const rows = this.#rowsOf(stage)
      const weight = weightOf(rows)
      const limit = failureLimit(rows.filter(({ state }) => state !== 'skipped').length)
      const forgiven = this.#rollout.forgiven[stage] ?? 0
      if (weight - forgiven < limit) continue
      const failed = rows.filter(({ state }) => state === 'failed').length
      const back = rows.filter(({ state }) => state === 'rolled-back').length
      this.#pause(`too many failures in ${stageName(stage)}: ${failed} failed, ${back} went back to the old image`)
      return true
    }
    return false
  }

  proceed(state: Exclude<RolloutState, 'paused' | 'aborted'>): void {
    if (state === 'soaking') return this.#soak()
    this.#fillStage()
    this.#advanceDevices()
    if (state !== 'done' && this.#isThrough()) this.#endStage()
  }

  // ─── who is in the stage ───

  #fillStage(): void {
    const { id, now, fleet } = this.#situation
    const { stage, settings } = this.#rollout
    if (stage === 0) {
      const taken = [...this.#rows]
        .filter(([, row]) => row.stage === 0 && row.state !== 'skipped')
        .map(([each]) => each)
      const missing = settings.canary - taken.length
      if (missing <= 0) return
      const here = this.#candidates().filter(({ onlineSince, report }) => onlineSince !== null && report)
      const facts = taken.flatMap((each) => (fleet.has(each) ? [{ id: each, ...fleet.get(each)! }] : []))
      return this.#assign(chooseCanaries(id, here, missing, facts, now))
    }
    const share = settings.waves[stage - 1] ?? 100
    const members = [...this.#rows.values()].filter(({ state }) => state !== 'skipped').length
    const candidates = this.#candidates()
    const missing = Math.ceil(((members + candidates.length) * share) / 100) - members
    if (missing > 0) this.#assign(chooseWave(id, candidates, missing))
  }

  /** Devices without a stage for which the image may be. */
  #candidates(): Candidate[] {
    const { fleet, rollout } = this.#situation
    const candidates: Candidate[] = []
    const isTarget = targetFilter(rollout.target)
    for (const [id, facts] of fleet) {
      if (this.#rows.has(id) || !isTarget(id, facts.group)) continue
      if (facts.rollout !== null && facts.rollout !== this.#situation.id) continue
      if (facts.report !== undefined && mismatch(facts.report, rollout.image)) continue
      candidates.push({ id, ...facts })
    }
    return candidates
  }

  #assign(ids: readonly string[]): void {
    const { fleet, now } = this.#situation
    const { stage, settings, image } = this.#rollout
    for (const id of ids) {
      const { report, dropsSince } = fleet.get(id)!
      const row = newRow(stage, dropsSince(now - settings.soak), now)
      const isThere =
        report?.sha256 === image.sha256 && report.state === 'confirmed' && report.version === image.version
      this.#set(id, isThere ? { ...row, state: 'done' } : row)
    }
  }

  // ─── offers and restarts ───

  #advanceDevices(): void {
    const { fleet, now, minuteOfDay, capacity } = this.#situation
    const { settings } = this.#rollout
    if (!isInWindow(settings.window, minuteOfDay)) return
    const transfers = [...this.#rows.values()].filter(isTransfer).length
    let free = Math.min(capacity, settings.maxParallel - transfers)
    for (const [id, row] of this.#rows) {
      const facts = fleet.get(id)
      if (!facts || facts.onlineSince === null) continue
      if (row.state === 'staged') {
        this.#set(id, { ...row, state: 'rebooting', since: now })
        this.#actions.push({ type: 'apply', id })
      } else if (free > 0 && row.state === 'targeted' && facts.report && (row.retryAt ?? 0) <= now) {
        this.#set(id, { ...row, state: 'offered', since: now, retryAt: null })
        this.#actions.push({ type: 'offer', id })
        free--
      }
    }
  }

  // ─── when a stage is through ───

  /** Nobody of this stage or an earlier one is on the way, or waits and is there. */
  #isThrough(): boolean {
    const { fleet, isSettled } = this.#situation
    const { stage, forgiven } = this.#rollout
    if (!isSettled || this.#rows.size === 0) return false
    for (const [id, row] of this.#rows) {
      const isAway = row.state === 'targeted' && (fleet.get(id)?.onlineSince ?? null) === null
      if (!isFinal(row) && !isAway && !isDeferred(row)) return false
    }
    // A stage that shows nothing is none: the next one does not begin on the strength of devices that are away.
    const rows = this.#rowsOf(stage)
    if (rows.some(({ state }) => state === 'done') || forgiven[stage] !== undefined) return true
    if (stage > 0) return stage === this.#rollout.settings.waves.length || rows.every(isFinal)
    if (weightOf(rows) > 0) this.#pause('no device of the canary has taken the image')
    return false
  }

  #endStage(): void {
    const { now } = this.#situation
    const { stage, settings } = this.#rollout
    if (settings.soak === 0 || !this.#rowsOf(stage).some(({ state }) => state === 'done')) return this.#beginNext()
    this.#change({ state: 'soaking', since: now, soakUntil: now + settings.soak })
  }

  #soak(): void {
    const { now, isSettled } = this.#situation
    if (!isSettled || now < (this.#rollout.soakUntil ?? 0)) return
    const { stage } = this.#rollout
    const rows = this.#rowsOf(stage)
    const unwell = this.#unwell()
    const limit = stage === 0 ? 1 : failureLimit(rows.length)
    if (unwell.length > 0 && weightOf(rows) + unwell.length >= limit && this.#rollout.forgiven[stage] === undefined) {
      const [first] = unwell
      const others = unwell.length > 1 ? `, and ${unwell.length - 1} more` : ''
      return this.#pause(`not well after the update in ${stageName(stage)}: ${first}${others}`)
    }
    this.#beginNext()
  }

  /** Devices of this stage that have the image and are offline, or lose more sessions than before. */
  #unwell(): string[] {
    const { fleet } = this.#situation
    const { stage, since } = this.#rollout
    const unwell: string[] = []
    for (const [id, row] of this.#rows) {
      if (row.stage !== stage || row.state !== 'done') continue
      const facts = fleet.get(id)
      if (!facts) continue
      const drops = facts.dropsSince(Math.max(row.since, since))
      if (facts.onlineSince === null) unwell.push(`${id} is offline`)
      else if (drops > row.drops) unwell.push(`${id} has lost its session ${drops} times, before ${row.drops} times`)
    }
    return unwell
  }

  #beginNext(): void {
    const { now } = this.#situation
    const { stage, settings } = this.#rollout
    if (stage >= settings.waves.length) return this.#change({ state: 'done', since: now, soakUntil: null })
    const next = { stage: stage + 1, since: now, soakUntil: null }
    const isShown = this.#rowsOf(0).some(({ state }) => state === 'done')
    if (stage > 0 || !settings.pauseAfterCanary || !isShown) return this.#change({ ...next, state: 'wave' })
    this.#change({
      ...next,
      state: 'paused',
      heldIn: 'wave',
      heldByRule: false,
      reason: 'the canary is through: look at it, then continue',
    })
  }

  // ─── changes ───

  #rowsOf(stage: number): DeviceRow[] {
    return [...this.#rows.values()].filter((row) => row.stage === stage)
  }

  #pause(reason: string): void {
    const { rollout, now } = this.#situation
    this.#change(pausedRecord(rollout, reason, now, true))
    this.stopTransfers()
  }

  #change(changes: Partial<RolloutRecord>): void {
    this.#rollout = { ...this.#rollout, ...changes }
    this.#isChanged = true
  }

  /** Ends what is under way with a device, too. */
  #end(id: string, row: DeviceRow): void {
    if (isTransfer(this.#rows.get(id)!)) this.#actions.push({ type: 'stop', id })
    this.#set(id, row)
  }

  #set(id: string, row: DeviceRow): void {
    this.#rows.set(id, row)
    this.#changed.set(id, row)
  }
}

/** A roll-out that is held up where it is. */
export function pausedRecord(rollout: RolloutRecord, reason: string, now: number, heldByRule: boolean): RolloutRecord {
  const { state } = rollout
  if (state === 'paused' || state === 'aborted') return rollout
  return { ...rollout, state: 'paused', heldIn: state, heldByRule, since: now, reason, soakUntil: null }
}

/** One that goes on: what has failed up to now is forgiven, and a soak begins again. */
export function resumedRecord(rollout: RolloutRecord, rows: Iterable<DeviceRow>, now: number): RolloutRecord {
  const { heldIn, settings } = rollout
  if (rollout.state !== 'paused' || heldIn === null) return rollout
  const forgiven = rollout.heldByRule ? weightsOf(rows, rollout.stage) : rollout.forgiven
  const soakUntil = heldIn === 'soaking' ? now + settings.soak : null
  return { ...rollout, state: heldIn, heldIn: null, heldByRule: false, since: now, reason: null, soakUntil, forgiven }
}

/** One whose devices are tried again: what was forgiven to them is not any more. @param rows as they are then */
export function retriedRecord(rollout: RolloutRecord, rows: Iterable<DeviceRow>): RolloutRecord {
  const weights = weightsOf(rows, rollout.stage)
  const forgiven = Object.fromEntries(
    Object.entries(rollout.forgiven).map(([stage, weight]) => [stage, Math.min(weight, weights[stage] ?? 0)]),
  )
  const isFailing = Object.values(weights).some((weight) => weight > 0)
  return { ...rollout, forgiven, heldByRule: rollout.heldByRule && isFailing }
}

/** A roll-out whose dates in the future, and those that deadlines count from, go with a clock that was set by `by` ms. */
export function shifted(
  rollout: RolloutRecord,
  rows: ReadonlyMap<string, DeviceRow>,
  by: number,
): { readonly rollout?: RolloutRecord; readonly rows: ReadonlyMap<string, DeviceRow> } {
  const later = (date: number) => Math.max(0, Math.round(date + by))
  const changed = [...rows].flatMap(([id, row]): [string, DeviceRow][] => {
    if (isPastApply(row)) return [[id, { ...row, since: later(row.since) }]]
    return row.retryAt === null ? [] : [[id, { ...row, retryAt: later(row.retryAt) }]]
  })
  const { soakUntil } = rollout
  return {
    ...(soakUntil !== null && { rollout: { ...rollout, soakUntil: later(soakUntil) } }),
    rows: new Map(changed),
  }
}

/** What failures weigh by stage; the present stage always has a number. */
function weightsOf(rows: Iterable<DeviceRow>, present: number): Record<string, number> {
  const weights: Record<string, number> = { [present]: 0 }
  for (const row of rows) {
    const weight = weightOf([row])
    if (weight > 0 || row.stage === present) weights[row.stage] = (weights[row.stage] ?? 0) + weight
  }
  return weights
}

function stageName(stage: number): string {
  return stage === 0 ? 'the canary' : `wave ${stage}`
}
