import type { Rollout, RolloutDevice, RolloutDeviceState } from '@usmp/gateway/contract'
import { printable } from '../printable.js'
import { loadOta } from './package.js'

/** States in the order in which a device goes through them. */
const ORDER: readonly RolloutDeviceState[] = [
  ...(['targeted', 'offline', 'offered', 'transferring', 'staged', 'rebooting', 'verifying'] as const),
  ...(['done', 'failed', 'rolled-back', 'skipped'] as const),
]

/** A roll-out in one line. */
export function rolloutLine(rollout: Rollout): string {
  const { id, name, reason } = rollout
  const why = reason === null ? '' : `  (${printable(reason)})`
  return `${id}  ${printable(name)}: ${stageText(rollout)}  ${countsText(rollout)}${why}`
}

/** Where a roll-out is. */
export function stageText({ state, stage, soakUntil, settings }: Rollout): string {
  if (state === 'canary') return 'canary'
  if (state === 'wave') return `wave ${stage} of ${settings.waves.length} (${settings.waves[stage - 1]} %)`
  if (state !== 'soaking') return state
  const after = stage === 0 ? 'the canary' : `wave ${stage}`
  return `soaking after ${after}${soakUntil === null ? '' : ` until ${new Date(soakUntil).toISOString()}`}`
}

/** How many devices are in each state, without those in which there is none. */
export function countsText({ counts }: Rollout): string {
  const some = ORDER.filter((state) => (counts[state] ?? 0) > 0)
  return some.length === 0 ? 'no devices' : some.map((state) => `${counts[state]} ${state}`).join(', ')
}

/** A device of a roll-out in one line; no reason that a device gives makes a second one. */
export function deviceLine({ id, state, stage, offset, reason, code, retryAt }: RolloutDevice, size: number): string {
  const at = state === 'transferring' && offset !== null ? ` ${Math.floor((offset / size) * 100)} %` : ''
  const why = reason === null ? '' : `  ${printable(reason)} [${code}]`
  const again = retryAt === null ? '' : `, tried again at ${new Date(retryAt).toISOString()}`
  return `  ${id}  ${stage === 0 ? 'canary' : `wave ${stage}`}  ${state}${at}${why}${again}`
}

/** What to do about each rule by which devices have refused the image. */
export async function remediesOf(devices: readonly RolloutDevice[]): Promise<{ rule: string; remedy: string }[]> {
  const { OtaError, otaCodeName } = await loadOta()
  const rules = new Set(devices.flatMap(({ code }) => (typeof code === 'number' ? (otaCodeName(code) ?? []) : [])))
  return [...rules].map((rule) => ({ rule, remedy: new OtaError(rule, '').hint }))
}
