import type { DeviceState } from '../contract/device.js'
import type { DeviceRecord } from './record.js'

/** What the state of a device follows from. */
export interface StateFacts {
  /** What people decided; null: nothing is stored. */
  readonly record: DeviceRecord['state'] | null
  /** People have decided that it stays out, and the store could not be written. */
  readonly heldOut: boolean
  /** Its proof waits for a decision. */
  readonly waits: boolean
  /** `silent`: there is a session, and nothing authentic has been heard on it. */
  readonly session: 'none' | 'silent' | 'heard'
  /** It has been online at some time. */
  readonly everSeen: boolean
  /** It was online by a broker that the gateway cannot reach now. */
  readonly unreachable: boolean
}

/** The state of a device, for any facts; null: there is no such device. */
export function stateOf({ record, heldOut, waits, session, everSeen, unreachable }: StateFacts): DeviceState | null {
  if (record === null) return waits ? 'waiting' : null
  if (record !== 'approved') return record
  if (heldOut) return 'blocked'
  if (unreachable) return 'unknown'
  if (session === 'heard') return 'online'
  return everSeen ? 'offline' : 'approved'
}
