import type { Image, Rollout, RolloutDevice, RolloutDeviceState, RolloutState } from '@usmp/gateway/contract'
import { shown } from '../text.js'

interface Words {
  readonly sign: string
  readonly word: string
  /** Class of the badge. */
  readonly look: 'online' | 'approved' | 'waiting' | 'offline' | 'failed'
}

/** `said` ends the sentence "NAME is …". */
type StateWords = Words & { readonly said: string }

const STATE_WORDS: Record<RolloutState, StateWords> = {
  canary: { sign: '▸', word: 'Canary', look: 'approved', said: 'updating its canary' },
  wave: { sign: '▸', word: 'Wave', look: 'approved', said: 'updating a wave' },
  soaking: { sign: '◔', word: 'Soaking', look: 'approved', said: 'soaking' },
  paused: { sign: 'Ⅱ', word: 'Paused', look: 'waiting', said: 'paused' },
  done: { sign: '✓', word: 'Done', look: 'online', said: 'done' },
  aborted: { sign: '✕', word: 'Aborted', look: 'failed', said: 'aborted' },
}

/** A roll-out that came to its end, and to no device. */
const FRUITLESS: StateWords = {
  sign: '✕',
  word: 'Over, none updated',
  look: 'failed',
  said: 'over; no device was updated',
}

/** What a roll-out is called. */
export function stateWords({ state, counts }: Pick<Rollout, 'state' | 'counts'>): StateWords {
  const failed = (counts.failed ?? 0) + (counts['rolled-back'] ?? 0)
  return state === 'done' && failed > 0 && !counts.done ? FRUITLESS : STATE_WORDS[state]
}

const DEVICE_WORDS: Record<RolloutDeviceState, Words> = {
  targeted: { sign: '○', word: 'Waits its turn', look: 'offline' },
  offline: { sign: '◌', word: 'Offline', look: 'offline' },
  offered: { sign: '▸', word: 'Offered', look: 'approved' },
  transferring: { sign: '▸', word: 'Transfer', look: 'approved' },
  staged: { sign: '▸', word: 'Received', look: 'approved' },
  rebooting: { sign: '▸', word: 'Restarting', look: 'approved' },
  verifying: { sign: '▸', word: 'On trial', look: 'approved' },
  done: { sign: '✓', word: 'Updated', look: 'online' },
  failed: { sign: '✕', word: 'Failed', look: 'failed' },
  'rolled-back': { sign: '↩', word: 'Went back', look: 'failed' },
  skipped: { sign: '–', word: 'Skipped', look: 'offline' },
}

/** A device that an aborted roll-out has left as it was. */
const LEFT: Words = { sign: '–', word: 'Not updated', look: 'offline' }

/** What a device is called in a roll-out; its turn never comes in one that is aborted. */
export function deviceWords(state: RolloutDeviceState, rollout: Pick<Rollout, 'state'>): Words {
  return isLeft(state, rollout) ? LEFT : DEVICE_WORDS[state]
}

/** Whether a device was waiting when its roll-out was aborted. */
export function isLeft(state: RolloutDeviceState, rollout: Pick<Rollout, 'state'>): boolean {
  return rollout.state === 'aborted' && (state === 'targeted' || state === 'offline')
}

/** What the devices of a roll-out come to, in the order of a table. Those that a person has to look at come first. */
export const KINDS = ['failed', 'busy', 'waiting', 'offline', 'done', 'skipped'] as const
export type Kind = (typeof KINDS)[number]
const KIND_WORDS: Record<Kind, string> = {
  failed: 'Failed',
  busy: 'On the way',
  waiting: 'Wait their turn',
  offline: 'Offline',
  done: 'Updated',
  skipped: 'Skipped',
}

export function kindWord(kind: Kind, rollout: Pick<Rollout, 'state'>): string {
  return kind === 'waiting' && rollout.state === 'aborted' ? LEFT.word : KIND_WORDS[kind]
}

export function kindOf(state: RolloutDeviceState): Kind {
  switch (state) {
    case 'failed':
    case 'rolled-back':
      return 'failed'
    case 'targeted':
      return 'waiting'
    case 'offline':
    case 'done':
    case 'skipped':
      return state
    default:
      return 'busy'
  }
}

export type Totals = Readonly<Record<Kind, number>>

export function totalsOf(counts: Rollout['counts']): Totals {
  const totals = { failed: 0, busy: 0, waiting: 0, offline: 0, done: 0, skipped: 0 }
  for (const [state, count] of Object.entries(counts)) totals[kindOf(state as RolloutDeviceState)] += count ?? 0
  return totals
}

/** Devices that the image is for. */
export const targetsOf = ({ failed, busy, waiting, offline, done }: Totals): number =>
  failed + busy + waiting + offline + done

/** How much of the image a device has, percent; null: that means nothing now. */
export function percentOf({ state, offset }: RolloutDevice, { size }: Pick<Image, 'size'>): number | null {
  if (state !== 'transferring' || offset === null) return null
  return Math.min(100, Math.floor((100 * offset) / size))
}

/** What an image is called, in a line. */
export function imageName({ name, product, version }: Pick<Image, 'name' | 'product' | 'version'>): string {
  return shown(name === '' ? `${product} ${version}` : name, 40)
}
