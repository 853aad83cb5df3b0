import type { RolloutTarget } from '../contract/rollouts.js'

/** Whether a roll-out is for a device. */
export function isTarget(target: RolloutTarget, deviceId: string, group: string | null): boolean {
  if (target.kind === 'all') return true
  return target.kind === 'group' ? target.group === group : target.ids.includes(deviceId)
}

/** Whether two roll-outs may be for the same device. A device of a list may be in any group, now or later. */
export function mayOverlap(a: RolloutTarget, b: RolloutTarget): boolean {
  if (a.kind === 'group' && b.kind === 'group') return a.group === b.group
  if (a.kind === 'devices' && b.kind === 'devices') return a.ids.some((id) => b.ids.includes(id))
  return true
}

/** A target in words. */
export function describeTarget(target: RolloutTarget): string {
  if (target.kind === 'all') return 'all devices'
  if (target.kind === 'group') return `the group "${target.group}"`
  return target.ids.length === 1 ? `the device ${target.ids[0]}` : `${target.ids.length} devices`
}
