import type { DeviceRow } from './device-row.js'

/** The share of a stage that may fail, and the least number that must. */
const SHARE = 0.05
const LEAST = 2

/** What the failures of some devices count: one that has gone back counts twice, as it ran the image. */
export function weightOf(rows: Iterable<Pick<DeviceRow, 'state'>>): number {
  let weight = 0
  for (const { state } of rows) weight += state === 'rolled-back' ? 2 : state === 'failed' ? 1 : 0
  return weight
}

/** The weight of failures that is too much for a stage of so many devices. */
export function failureLimit(devices: number): number {
  return Math.max(LEAST, Math.ceil(devices * SHARE))
}
