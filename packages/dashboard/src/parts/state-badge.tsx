import type { Device } from '@usmp/gateway/contract'
import { now } from '../state/clock.js'
import { hasKey } from '../state/device-list.js'
import { doubtful } from '../state/link.js'
import { span } from '../text.js'

const LOOKS: Record<Device['state'], readonly [sign: string, word: string]> = {
  waiting: ['◔', 'Waiting'],
  approved: ['○', 'Approved'],
  online: ['●', 'Online'],
  offline: ['◌', 'Offline'],
  unknown: ['?', 'Unknown'],
  revoked: ['✕', 'Revoked'],
  blocked: ['⊘', 'Blocked'],
}

/** The state as sign and word; never by colour alone. While the page is cut off, it says that it was so. */
export function StateBadge({ device, since = false }: { device: Device; since?: boolean }) {
  const [sign, word] = LOOKS[device.state]
  const age = since || device.state === 'offline' ? span(now.value - device.since) : null
  return (
    <span class={`badge ${device.state}${doubtful.value ? ' doubtful' : ''}`}>
      <span aria-hidden="true" class="sign">
        {sign}
      </span>
      {word}
      {age !== null && <span class="age"> {age}</span>}
    </span>
  )
}

/** Somebody else tries the id of this device with another key. */
export function AttemptsBadge({ device, short = false }: { device: Device; short?: boolean }) {
  if (!device.attempts || !hasKey(device)) return null
  const { count } = device.attempts
  const words = count === 1 ? 'wrong key' : 'wrong keys'
  return (
    <span class="badge quarantined" title={`${count} ${words}`}>
      <span aria-hidden="true" class="sign">
        ⚠
      </span>
      {count} <span class={short ? 'sr' : undefined}>{words}</span>
    </span>
  )
}

export function AlarmBadge({ device }: { device: Device }) {
  if (device.alarms.length === 0) return null
  return (
    <span class="badge failed">
      <span aria-hidden="true" class="sign">
        !
      </span>
      {device.alarms.length === 1 ? 'Alarm' : `${device.alarms.length} alarms`}
    </span>
  )
}
