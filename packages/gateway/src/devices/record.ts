import * as v from 'valibot'
import { alarmRule, idleLimit, keySource } from '../contract/device.js'
import { count, deviceId, name, time } from '../contract/text.js'

/** What is stored of a device: what people decided, and what must survive a restart. Whether it is online is not in here. */
export const deviceRecord = v.strictObject({
  state: v.picklist(['approved', 'revoked', 'blocked']),
  /** Since when it is in this state. */
  since: time,
  name: v.union([v.literal(''), name]),
  group: v.nullable(name),
  /** The key, sealed by the key file of the store; null when it is derived from the master key, or wiped. */
  sealedKey: v.nullable(v.string()),
  keySource: v.nullable(keySource),
  fingerprint: v.nullable(v.string()),
  idleLimit,
  alarmRules: v.array(alarmRule),
  firstSeenAt: v.nullable(time),
  /** Written when a session ends and every few minutes, so it may be older than the truth after a crash. */
  lastSeenAt: v.nullable(time),
  /** Under which telemetry is stored; the id of the first hardware, and it stays when hardware is replaced. */
  history: deviceId,
  replaced: v.array(deviceId),
  blockedUntil: v.nullable(time),
  attempts: v.nullable(v.object({ count, lastAt: time, lastAddress: v.string() })),
})
export type DeviceRecord = v.InferOutput<typeof deviceRecord>
