import { computed, type Signal, signal } from '@preact/signals'
import type { Rollout, RolloutDetail, RolloutDevice } from '@usmp/gateway/contract'
import { api } from '../api.js'
import { shown } from '../text.js'
import { say } from './announcer.js'
import { stateWords } from './rollout-progress.js'

/** By id; null: not known yet. */
const known = signal<ReadonlyMap<string, Rollout> | null>(null)

/** All roll-outs, newest first; null: not known yet. */
export const rollouts = computed<readonly Rollout[] | null>(
  () => known.value && [...known.value.values()].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)),
)
/** Roll-outs in which nothing happens before a person decides. */
export const pausedRollouts = computed(() => rollouts.value?.filter(({ state }) => state === 'paused').length ?? 0)

/** Takes the list for what it is now. */
export function takeRollouts(list: readonly Rollout[]): void {
  known.value = new Map(list.map((rollout) => [rollout.id, rollout]))
}

/** Takes one roll-out as it is now. */
export function takeRollout(rollout: Rollout): void {
  const before = rolloutOf(rollout.id)
  known.value = new Map(known.peek()).set(rollout.id, rollout)
  if (before && before.state !== rollout.state) say(`${shown(rollout.name)} is ${stateWords(rollout).said}`)
}

/** A roll-out as it was told last; redraws whoever asks when it changes. */
export const rolloutOf = (id: string): Rollout | undefined => known.value?.get(id)

/** The devices of the roll-out whose page is open. Each has a signal of its own, so that a new percentage redraws one row. */
export interface ShownDevices {
  readonly id: string
  readonly devices: ReadonlyMap<string, Signal<RolloutDevice>>
}
export const shownDevices = signal<ShownDevices | null>(null)
/** Counts what the table is sorted and filtered by. */
export const devicesRevision = signal(0)

/** Asks for a roll-out with its devices, and shows them; what changes afterwards comes by the live socket. */
export async function loadRollout(id: string): Promise<true> {
  const detail = await api.rollout(id)
  takeRollout(detail.rollout)
  showDevices(detail)
  return true
}

export function forgetShownDevices(): void {
  shownDevices.value = null
}

export function forgetRollouts(): void {
  known.value = null
  forgetShownDevices()
}

function showDevices({ rollout: { id }, devices }: RolloutDetail): void {
  shownDevices.value = { id, devices: new Map(devices.map((device) => [device.id, signal(device)])) }
  devicesRevision.value++
}

/** Takes devices of a roll-out as they are now; those of a roll-out that is not shown are not kept. */
export function takeRolloutDevices(rolloutId: string, changed: readonly RolloutDevice[]): void {
  const table = shownDevices.peek()
  if (table?.id !== rolloutId) return
  const newcomers = changed.filter(({ id }) => !table.devices.has(id))
  let moved = newcomers.length > 0
  for (const device of changed) {
    const row = table.devices.get(device.id)
    if (!row) continue
    moved ||= row.peek().state !== device.state || row.peek().stage !== device.stage
    row.value = device
  }
  if (newcomers.length > 0) {
    const all = new Map(table.devices)
    for (const device of newcomers) all.set(device.id, signal(device))
    shownDevices.value = { id: rolloutId, devices: all }
  }
  if (moved) devicesRevision.value++
}
