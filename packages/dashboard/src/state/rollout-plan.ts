import type { Device, Image, Rollout, RolloutDevice, RolloutSettings, RolloutTarget } from '@usmp/gateway/contract'
import { plural } from '../text.js'
import { hasKey } from './device-list.js'

const MINUTE = 60_000

/** What the dialog begins with; the gateway has the same defaults. */
export const DEFAULT_SETTINGS: Omit<RolloutSettings, 'canary'> = {
  pauseAfterCanary: true,
  soak: 10 * MINUTE,
  waves: [5, 25, 100],
  maxParallel: 8,
  window: null,
}
/** One device of a hundred, and from 1 to 10. */
export const defaultCanary = (devices: number): number => Math.min(10, Math.max(1, Math.ceil(devices / 100)))

/** One step of a roll-out, in order. */
export interface Step {
  readonly kind: 'canary' | 'pause' | 'wave'
  /** Of the devices: 0 is the canary. */
  readonly stage: number
  readonly title: string
  /** Up to which share of all targets this wave goes, percent. */
  readonly share: number | null
}

export function stepsOf({ canary, pauseAfterCanary, waves }: RolloutSettings): Step[] {
  const first: Step[] = canary > 0 ? [{ kind: 'canary', stage: 0, title: 'Canary', share: null }] : []
  if (canary > 0 && pauseAfterCanary) first.push({ kind: 'pause', stage: 0, title: 'Pause', share: null })
  return [...first, ...waves.map((share, n): Step => ({ kind: 'wave', stage: n + 1, title: `Wave ${n + 1}`, share }))]
}

export type StepState = 'over' | 'now' | 'to-come'

/** How a step stands to where the roll-out is. */
export function stepState(step: Step, rollout: Pick<Rollout, 'state' | 'stage'>, isAtPause: boolean): StepState {
  if (rollout.state === 'done') return 'over'
  if (step.kind === 'pause') return isAtPause ? 'now' : rollout.stage > 0 ? 'over' : 'to-come'
  if (step.stage !== rollout.stage) return step.stage < rollout.stage ? 'over' : 'to-come'
  return isAtPause ? 'to-come' : 'now'
}

/** Whether a roll-out is held at the pause after its canary: before its first wave, of which no device has been touched. */
export function isAtPause(
  rollout: Pick<Rollout, 'state' | 'stage' | 'settings'>,
  devices: readonly Pick<RolloutDevice, 'stage' | 'state'>[],
): boolean {
  const { settings } = rollout
  if (rollout.state !== 'paused' || rollout.stage !== 1 || settings.canary === 0 || !settings.pauseAfterCanary)
    return false
  return devices.every(({ stage, state }) => stage === 0 || state === 'targeted' || state === 'skipped')
}

/** How many devices a step comes to, if the image fits `targets` devices. */
export function devicesOf(step: Step, { canary, waves }: Pick<RolloutSettings, 'canary' | 'waves'>, targets: number) {
  const first = Math.min(canary, targets)
  if (step.kind !== 'wave') return first
  const upTo = (share: number) => Math.max(first, Math.ceil((targets * share) / 100))
  return upTo(waves[step.stage - 1]!) - (step.stage === 1 ? first : upTo(waves[step.stage - 2]!))
}

/** Which devices of the list a roll-out would be for, by what they have told of their firmware. */
export interface Match {
  readonly fits: readonly Device[]
  /** They run this image already. */
  readonly current: readonly Device[]
  /** Another product or chip, or no updates at all. */
  readonly others: readonly Device[]
  /** They had no session since the gateway was started, so nobody knows. */
  readonly silent: readonly Device[]
}

export function match(devices: readonly Device[], image: Image, target: RolloutTarget): Match {
  const result = { fits: [] as Device[], current: [] as Device[], others: [] as Device[], silent: [] as Device[] }
  for (const device of devices) if (hasKey(device) && isMeant(device, target)) result[sort(device, image)].push(device)
  return result
}

function isMeant({ id, group }: Device, target: RolloutTarget): boolean {
  if (target.kind === 'all') return true
  return target.kind === 'group' ? group === target.group : target.ids.includes(id)
}

function sort({ updates }: Device, image: Image): keyof Match {
  if (updates === undefined) return 'silent'
  if (updates === null || updates.product !== image.product || updates.chip !== image.chip) return 'others'
  return updates.sha256 === image.sha256 ? 'current' : 'fits'
}

/** The target in words. */
export function targetText(target: RolloutTarget): string {
  if (target.kind === 'all') return 'all devices'
  return target.kind === 'group' ? `group ${target.group}` : plural(target.ids.length, 'chosen device')
}

/** A whole number from a field; null: it is none, or not in this range. */
export function readNumber(text: string, least: number, most: number): number | null {
  const value = /^\d{1,6}$/.test(text.trim()) ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : null
}

/** Shares of waves, as `5, 25, 100`; null: they do not grow, or do not end at 100. */
export function readWaves(text: string): number[] | null {
  const shares = text.split(/[\s,;]+/).filter((part) => part !== '')
  const numbers = shares.map((part) => readNumber(part.replace(/%$/, ''), 1, 100))
  const isGrowing = numbers.every((share, n) => share !== null && (n === 0 || share > (numbers[n - 1] ?? 0)))
  return isGrowing && numbers.length <= 8 && numbers.at(-1) === 100 ? (numbers as number[]) : null
}

/** A time of the day, as `22:30`, in minutes; null: it is none. */
export function readTime(text: string): number | null {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined ? null : Number(hours) * 60 + Number(minutes)
}

export function timeText(minuteOfDay: number): string {
  return `${String(Math.floor(minuteOfDay / 60)).padStart(2, '0')}:${String(minuteOfDay % 60).padStart(2, '0')}`
}
