import type { RolloutSettings } from '../contract/rollouts.js'

/** Whether devices may be updated at a minute of the day; a window that ends before it begins goes over midnight. */
export function isInWindow(window: RolloutSettings['window'], minuteOfDay: number): boolean {
  if (!window) return true
  const { from, to } = window
  return from <= to ? minuteOfDay >= from && minuteOfDay < to : minuteOfDay >= from || minuteOfDay < to
}

/** The minute of the day of a date, local to the gateway. */
export function minuteOfDay(date: number): number {
  const local = new Date(date)
  return local.getHours() * 60 + local.getMinutes()
}
