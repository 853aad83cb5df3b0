import { UsmpError } from '@usmp/core'

/** Milliseconds of a day. */
const DAY = 86_400_000
/** Day 0 of a manifest: 2020-01-01 (specification, section 13.2). */
const EPOCH = Date.UTC(2020, 0, 1)
/** The last day that four digits of a year can say: 9999-12-31. */
const LAST_DAY = (Date.UTC(9999, 11, 31) - EPOCH) / DAY

/**
 * A version as it stands in a manifest: major << 24 | minor << 16 | patch.
 * @param text `major.minor.patch`, at most 255.255.65535, without leading zeros
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseVersion(text: string): number {
  const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,4})$/.exec(text)
  const [major, minor, patch] = (parts?.slice(1) ?? []).map(Number)
  if (major === undefined || major > 255 || minor! > 255 || patch! > 65_535) {
    throw new UsmpError('INVALID_ARGUMENT', `"${text.slice(0, 40)}" is not a version`, {
      hint: 'A version is three numbers, such as 1.2.3, and at most 255.255.65535.',
    })
  }
  return ((major << 24) | (minor! << 16) | patch!) >>> 0
}

/** `major.minor.patch` of a packed version, 32 bits. */
export function formatVersion(version: number): string {
  return `${version >>> 24}.${(version >>> 16) & 0xff}.${version & 0xffff}`
}

/**
 * Days since 2020-01-01 of a date of the calendar.
 * @param text `YYYY-MM-DD`, after 2020-01-01, as 0 means "no date" in a manifest
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseDay(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  // The parser takes 2023-02-30 for a day of March.
  const exists = !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
  if (!exists || time <= EPOCH) {
    throw new UsmpError('INVALID_ARGUMENT', `"${text.slice(0, 40)}" is not a date after 2020-01-01`, {
      hint: 'A date looks like 2027-01-31.',
    })
  }
  return (time - EPOCH) / DAY
}

/** `YYYY-MM-DD` of days since 2020-01-01; `day N` for one behind the year 9999. */
export function formatDay(day: number): string {
  return day > LAST_DAY ? `day ${day}` : new Date(EPOCH + day * DAY).toISOString().slice(0, 10)
}

/** The day of a time, in days since 2020-01-01 (UTC), as a device compares it with a manifest. */
export function dayOf(date: Date): number {
  return Math.max(0, Math.floor((date.getTime() - EPOCH) / DAY))
}
