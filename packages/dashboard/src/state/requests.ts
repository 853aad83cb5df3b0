import { signal } from '@preact/signals'
import type { RequestOutcome } from '@usmp/gateway/contract'

/** What has been asked of the device whose page is open, newest first. */
export const outcomes = signal<{ readonly id: string; readonly list: readonly RequestOutcome[] } | null>(null)

/** As many as the gateway keeps. */
const MOST = 50

export function showOutcomes(id: string, list: readonly RequestOutcome[]): void {
  outcomes.value = { id, list: newestFirst(list) }
}

/** Notes an outcome that came by the live socket or as an answer; it may come both ways. */
export function takeOutcome(id: string, outcome: RequestOutcome): void {
  const shown = outcomes.peek()
  if (shown?.id !== id || shown.list.some((known) => known.id === outcome.id)) return
  outcomes.value = { id, list: newestFirst([outcome, ...shown.list]).slice(0, MOST) }
}

function newestFirst(list: readonly RequestOutcome[]): RequestOutcome[] {
  return [...list].sort((a, b) => b.at - a.at)
}
