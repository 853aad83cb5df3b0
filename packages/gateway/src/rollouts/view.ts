import { type Rollout, type RolloutDevice, type RolloutDeviceState, rolloutDeviceState } from '../contract/rollouts.js'
import { type DeviceRow, mismatch } from './device-row.js'
import type { LiveRollout } from './live-rollout.js'
import type { DeviceFacts, Fleet } from './plan.js'
import { targetFilter } from './targets.js'

/** A roll-out as people see it. @param held why the gateway cannot go on with it, though nobody has paused it */
export function viewOfRollout(live: LiveRollout, fleet: Fleet, held: string | null): Rollout {
  const { heldIn: _in, heldByRule: _rule, forgiven: _forgiven, closed: _closed, ...record } = live.record
  const shown = held === null ? {} : ({ state: 'paused', reason: held, soakUntil: null } as const)
  return { id: live.id, rev: live.rev, ...record, ...shown, counts: countsOf(live, fleet) }
}

/** All devices of a roll-out, the first stages first. */
export function devicesOfRollout(
  live: LiveRollout,
  fleet: Fleet,
  offsetOf: (deviceId: string) => number | null,
): RolloutDevice[] {
  const staged = [...live.rows].map(([id, row]) => viewOfRow(live, id, row, fleet.get(id), offsetOf(id)))
  const others = candidatesOf(live, fleet).map(([id, facts]) => viewOfCandidate(live, id, facts))
  return [...staged, ...others].sort((a, b) => a.stage - b.stage || (a.id < b.id ? -1 : 1))
}

/** One of its devices; undefined if it is none. */
export function deviceOfRollout(
  live: LiveRollout,
  fleet: Fleet,
  deviceId: string,
  offset: number | null,
): RolloutDevice | undefined {
  const [row, facts] = [live.rows.get(deviceId), fleet.get(deviceId)]
  if (row) return viewOfRow(live, deviceId, row, facts, offset)
  const [candidate] = facts ? candidatesOf(live, new Map([[deviceId, facts]])) : []
  return candidate && viewOfCandidate(live, ...candidate)
}

function countsOf(live: LiveRollout, fleet: Fleet): Rollout['counts'] {
  const counts = Object.fromEntries(rolloutDeviceState.options.map((state) => [state, 0])) as Record<
    RolloutDeviceState,
    number
  >
  for (const [id, row] of live.rows) counts[stateOf(live, row, fleet.get(id))]++
  for (const [id, facts] of candidatesOf(live, fleet)) counts[viewOfCandidate(live, id, facts).state]++
  return counts
}

/** Devices without a stage that may get one. Those that join no more are not shown, and neither are those that another roll-out has. */
function candidatesOf(live: LiveRollout, fleet: Fleet): [string, DeviceFacts][] {
  if (live.record.closed) return []
  const isTarget = targetFilter(live.record.target)
  return [...fleet].filter(
    ([id, { group, rollout }]) =>
      !live.rows.has(id) && (rollout === null || rollout === live.id) && isTarget(id, group),
  )
}

function viewOfRow(
  { record }: LiveRollout,
  id: string,
  row: DeviceRow,
  facts: DeviceFacts | undefined,
  offset: number | null,
): RolloutDevice {
  const { stage, since, attempts, retryAt, code, reason } = row
  const state = stateOf({ record }, row, facts)
  const size = state === 'done' || state === 'staged' ? record.image.size : null
  return { id, state, stage, since, offset: size ?? offset, attempts, retryAt, code, reason }
}

function viewOfCandidate({ record }: LiveRollout, id: string, { report }: DeviceFacts): RolloutDevice {
  const foreign = report === undefined ? undefined : mismatch(report, record.image)
  return {
    id,
    state: foreign ? 'skipped' : 'targeted',
    stage: record.settings.waves.length,
    since: record.createdAt,
    offset: null,
    attempts: 0,
    retryAt: null,
    code: foreign?.code ?? null,
    reason: foreign?.reason ?? null,
  }
}

function stateOf(
  { record }: Pick<LiveRollout, 'record'>,
  { state, stage }: DeviceRow,
  facts: DeviceFacts | undefined,
): RolloutDeviceState {
  const isAway = facts !== undefined && facts.onlineSince === null
  return state === 'targeted' && isAway && stage <= record.stage ? 'offline' : state
}
