import type { Device } from '@usmp/gateway/contract'
import { nameOf } from '../text.js'
import type { Row } from './devices.js'

/** What the list can be narrowed to. */
export const FILTERS = ['online', 'offline', 'unknown', 'waiting', 'approved', 'attempts', 'alarms', 'closed'] as const
export type Filter = (typeof FILTERS)[number]

export const FILTER_WORDS: Record<Filter, string> = {
  online: 'Online',
  offline: 'Offline',
  unknown: 'Unknown',
  waiting: 'Waiting',
  approved: 'Never seen',
  attempts: 'Wrong keys',
  alarms: 'Alarms',
  closed: 'Revoked, blocked',
}

/** Whether the gateway has a key of the device, so that other keys are wrong ones. */
export function hasKey({ state }: Pick<Device, 'state'>): boolean {
  return state !== 'waiting' && state !== 'revoked' && state !== 'blocked'
}

export function fits(filter: Filter, { state, attempts, alarms }: Device): boolean {
  switch (filter) {
    case 'attempts':
      return attempts !== null && hasKey({ state })
    case 'alarms':
      return alarms.length > 0
    case 'closed':
      return state === 'revoked' || state === 'blocked'
    default:
      return state === filter
  }
}

export type Order = 'name' | 'state' | 'seen'

/** Those that a person has to look at come first. */
const URGENCY: Record<Device['state'], number> = {
  waiting: 0,
  unknown: 1,
  offline: 2,
  online: 3,
  approved: 4,
  blocked: 5,
  revoked: 6,
}
const NAMES = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/** The devices that the list shows, in order. Waiting ones have a place of their own. */
export function listed(
  rows: readonly Row[],
  { filter, group, search, order }: { filter: Filter | null; group: string | null; search: string; order: Order },
): Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  return rows
    .map((row) => ({ row, device: row.device.peek(), name: nameOf(row.device.peek()) }))
    .filter(({ device }) => device.state !== 'waiting')
    .filter(({ device }) => filter === null || fits(filter, device))
    .filter(({ device }) => group === null || device.group === group)
    .filter(({ device }) => words.every((word) => textOf(device).includes(word)))
    .sort(
      (a, b) => compare(order, a.device, b.device) || NAMES.compare(a.name, b.name) || (a.row.id < b.row.id ? -1 : 1),
    )
    .map(({ row }) => row)
}

/** The groups that there are, in order. */
export function groupsOf(rows: readonly Row[]): string[] {
  const groups = new Set(rows.map((row) => row.device.peek().group).filter((group) => group !== null))
  return [...groups].sort(NAMES.compare)
}

function textOf({ id, name, group, firmware }: Device): string {
  const digits = id.replaceAll(':', '')
  return [id, digits, name, group, firmware?.product, firmware?.version].join('\n').toLowerCase()
}

function compare(order: Order, a: Device, b: Device): number {
  if (order === 'state') return URGENCY[a.state] - URGENCY[b.state]
  if (order === 'seen') return (b.lastSeenAt ?? 0) - (a.lastSeenAt ?? 0)
  return 0
}
