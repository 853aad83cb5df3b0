import type { Device } from '../contract/device.js'
import { DEFAULT_IDLE_LIMIT } from '../contract/device.js'
import type { GatewayTime } from '../time.js'
import type { AuditedCommands } from './audited.js'
import type { DeviceDirectory } from './directory.js'
import type { JoinWindow } from './join-window.js'
import { type DeviceKeys, NO_KEY } from './keys.js'
import type { DeviceRecord } from './record.js'
import type { WaitingList } from './waiting-list.js'

/** What the commands on devices work with. */
export interface DeviceServices {
  readonly time: GatewayTime
  readonly commands: AuditedCommands
  readonly directory: DeviceDirectory
  readonly waiting: WaitingList
  readonly join: JoinWindow
  readonly keys: DeviceKeys
  /** A device as people see it. @throws GatewayError NOT_FOUND */
  readonly describe: (deviceId: string) => Device
  /** Ends the session of a device and every handshake that claims its id. */
  readonly disconnect: (deviceId: string) => Promise<void>
  /** Tells a device that now is a good time to try. */
  readonly hint: (deviceId: string) => void
  /** What was kept of one device goes on under another id. */
  readonly onReplaced: (from: string, to: string) => void
  /** A device is gone; `history` only if nobody else has it. */
  readonly onRemoved: (deviceId: string, history: string | undefined) => Promise<void>
}

/** A record of a device that nothing was stored of. */
export function newRecord(deviceId: string, now: number, fields: Partial<DeviceRecord>): DeviceRecord {
  return {
    state: 'approved',
    since: now,
    name: '',
    group: null,
    ...NO_KEY,
    idleLimit: DEFAULT_IDLE_LIMIT,
    alarmRules: [],
    firstSeenAt: null,
    lastSeenAt: null,
    history: deviceId,
    replaced: [],
    blockedUntil: null,
    attempts: null,
    ...fields,
  }
}
