import type { RolloutTarget } from '../contract/rollouts.js'

/** Tells for any device whether a roll-out is for it. */
export function targetFilter(target: RolloutTarget): (deviceId: string, group: string | null) => boolean {
  if (target.kind === 'all') return () => true
  if (target.kind === 'group') return (_, group) => group === target.group
  const ids = new Set(target.ids)
  return (deviceId) => ids.has(deviceId)
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
