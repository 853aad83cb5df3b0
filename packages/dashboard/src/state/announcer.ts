import { signal } from '@preact/signals'
import type { DeviceState } from '@usmp/gateway/contract'

/** What a screen reader says next. */
export const announcement = signal('')

/** Between two announcements, ms: a flapping device must not talk without a stop. */
const PAUSE = 2_000

const SAYS: Record<DeviceState, readonly [one: string, many: string]> = {
  waiting: ['is waiting for approval', 'devices are waiting for approval'],
  approved: ['is approved', 'devices are approved'],
  online: ['is online', 'devices are online'],
  offline: ['went offline', 'devices went offline'],
  unknown: ['cannot be reached through the broker', 'devices cannot be reached through the broker'],
  revoked: ['is revoked', 'devices are revoked'],
  blocked: ['is blocked', 'devices are blocked'],
}

/** The last state of each device that has changed since the last announcement. */
const changed = new Map<string, { readonly name: string; readonly state: DeviceState }>()
let timer: ReturnType<typeof setTimeout> | undefined

export function noteStateChange(id: string, name: string, state: DeviceState): void {
  changed.set(id, { name, state })
  if (timer === undefined) timer = setTimeout(announce, PAUSE)
}

/** Says a sentence that does not come from a device. */
export function say(text: string): void {
  announcement.value = text
}

function announce(): void {
  timer = undefined
  const groups = new Map<DeviceState, string[]>()
  for (const { name, state } of changed.values()) groups.set(state, [...(groups.get(state) ?? []), name])
  changed.clear()
  announcement.value = [...groups]
    .map(([state, names]) => {
      const [one, many] = SAYS[state]
      return names.length === 1 ? `${names[0]} ${one}` : `${names.length} ${many}`
    })
    .join('. ')
}
