import { UsmpError } from '@usmp/core'
import type { RolloutSettings } from '@usmp/gateway/contract'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3600_000, d: 24 * 3600_000 }

/**
 * A span such as `90s`, `10m`, `2h` or `1d`; `0` for none. In ms.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseSpan(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? []
  if (count === '0') return 0
  if (count !== undefined && unit) return Number(count) * UNITS[unit]!
  throw invalid(`${JSON.stringify(text)} is not a span`, 'It looks like 90s, 10m, 2h or 1d.')
}

/**
 * Growing shares in percent, such as `5,25,100`.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseWaves(text: string): number[] {
  const waves = text.split(',').map((part) => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : Number.NaN))
  const isGrowing = waves.every((share, i) => share > (waves[i - 1] ?? 0))
  if (isGrowing && waves.at(-1) === 100 && waves.length <= 8) return waves
  throw invalid(`${JSON.stringify(text)} are not waves`, 'They are up to 8 growing shares in percent, as 5,25,100.')
}

/**
 * A time of each day, such as `22:00-05:00`, local to the gateway; it may go over midnight.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseWindow(text: string): NonNullable<RolloutSettings['window']> {
  const [, from, to] = /^(\S+?)-(\S+)$/.exec(text) ?? []
  const [begin, end] = [minuteOf(from), minuteOf(to)]
  if (begin !== undefined && end !== undefined && begin !== end) return { from: begin, to: end }
  throw invalid(
    `${JSON.stringify(text)} is not a time of the day`,
    'It looks like 22:00-05:00, by the clock of the gateway.',
  )
}

/**
 * A number of canaries: 0 to 10.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseCanary(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= 10) return Number(text)
  throw invalid(`${JSON.stringify(text)} is not a number of canaries`, 'It is 0 to 10; 0 begins with the first wave.')
}

function minuteOf(text: string | undefined): number | undefined {
  const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text ?? '') ?? []
  const value = Number(hour) * 60 + Number(minute)
  return Number(minute) < 60 && value < 24 * 60 ? value : undefined
}

function invalid(message: string, hint: string): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', message, { hint })
}
