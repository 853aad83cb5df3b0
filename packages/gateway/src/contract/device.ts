import * as v from 'valibot'
import { count, deviceId, name, span, text, time } from './text.js'

/**
 * What a device is to the gateway. It comes from the registry and from the session alone, never from an announcement:
 * - `waiting`: has sent a proof while the join window was open; a person decides.
 * - `approved`: has a key here and was never seen with it.
 * - `online`: has a session on which it has said something authentic.
 * - `offline`: was online before.
 * - `unknown`: was online, and its broker cannot be reached by the gateway, so nobody can say.
 * - `revoked`: its key is wiped; the row stays so that the id does not come back by accident.
 * - `blocked`: is dropped silently, and not shown as waiting, until `blockedUntil`. Without such a date somebody has withdrawn it while the
 *   store could not be written: it is kept out until a restart.
 */
export const deviceState = v.picklist(['waiting', 'approved', 'online', 'offline', 'unknown', 'revoked', 'blocked'])
export type DeviceState = v.InferOutput<typeof deviceState>

export const carrier = v.picklist(['mqtt', 'tcp', 'udp', 'websocket', 'serial'])
export type Carrier = v.InferOutput<typeof carrier>

/** How the key came here. */
export const keySource = v.picklist(['typed', 'registered', 'master'])
export type KeySource = v.InferOutput<typeof keySource>

/** The proof of a waiting device. An approval names it, so that nobody approves what they did not see. */
export const knock = v.object({
  /** Changes with every new proof of the device. */
  proofId: v.string(),
  firstAt: time,
  /** When the proof came that `proofId` names. */
  lastAt: time,
  count,
  carrier: v.nullable(carrier),
  address: v.string(),
  /** The key derived from the master key fits the proof: approval needs no key. */
  proven: v.boolean(),
  /** Kept in the list when it is full. */
  starred: v.boolean(),
  /** Until when the proof can be checked; after that the device has to knock again. */
  expiresAt: time,
})
export type Knock = v.InferOutput<typeof knock>

/**
 * Wrong proofs for the id of an approved device. The session of the true one is not touched by them. Of a device that is revoked or
 * blocked: all its attempts since then, as there is no key here that could tell them apart.
 */
export const attempts = v.object({ count, lastAt: time, lastAddress: v.string() })

export const roundTrips = v.object({
  /** ms, of the last PINGs. */
  p50: v.number(),
  p95: v.number(),
  /** The last 60, oldest first, ms. */
  recent: v.array(v.number()),
})

export const sessionInfo = v.object({
  since: time,
  carrier,
  address: v.string(),
  suite: v.string(),
  roundTrips: v.nullable(roundTrips),
  messagesIn: count,
  messagesOut: count,
  /** Frames that were dropped without harm, by the code of their fault: duplicates, replays, forgeries. */
  dropped: v.record(v.string(), count),
})
export type SessionInfo = v.InferOutput<typeof sessionInfo>

/** One reading: the newest of its name. */
export const reading = v.object({
  value: v.union([v.number(), v.boolean(), text(256)]),
  at: time,
  unit: v.nullable(text(16)),
})
export type Reading = v.InferOutput<typeof reading>

/** Told by the device itself when its session begins: unproven but for its key, and shown as text. */
export const firmware = v.object({ product: text(64), version: text(64), chip: v.nullable(text(32)) })

/** What a device with updates tells of its firmware when its session begins. Unproven but for its key. */
export const deviceUpdates = v.object({
  product: v.pipe(v.string(), v.maxLength(16)),
  chip: v.pipe(v.string(), v.maxLength(8)),
  version: text(16),
  counter: count,
  /** Of the image that runs; all zeros where the device does not know. */
  sha256: text(64),
  /** `pending`: on trial, until it is confirmed or goes back. */
  state: v.picklist(['confirmed', 'pending']),
  /** Whether the boot loader goes back from an image that is not confirmed. */
  rollback: v.boolean(),
  /** Ids of the keys that it trusts. */
  keys: v.array(text(16)),
  /** The roll-out that it is in, the newest. */
  rollout: v.nullable(text(32)),
})
export type DeviceUpdates = v.InferOutput<typeof deviceUpdates>

/** The longest silence that an alarm waits for, ms: 14 days. Timers cannot wait for a month. */
export const MAX_ALARM_AFTER = 14 * 24 * 3600_000
/** A threshold on a reading, or silence. */
export const alarmRule = v.variant('kind', [
  v.object({ kind: v.literal('offline'), after: v.pipe(span, v.maxValue(MAX_ALARM_AFTER)) }),
  v.object({ kind: v.literal('above'), reading: text(64), limit: v.number() }),
  v.object({ kind: v.literal('below'), reading: text(64), limit: v.number() }),
])
export type AlarmRule = v.InferOutput<typeof alarmRule>
/** Most rules of a device. */
export const MAX_ALARM_RULES = 16

/** A rule that is met now. */
export const activeAlarm = v.object({ rule: alarmRule, since: time, value: v.nullable(v.number()) })
export type ActiveAlarm = v.InferOutput<typeof activeAlarm>

/** The shortest and the longest time of silence after which a device is offline, ms. */
export const MIN_IDLE_LIMIT = 5_000
export const MAX_IDLE_LIMIT = 24 * 3600_000
export const DEFAULT_IDLE_LIMIT = 60_000
export const idleLimit = v.pipe(span, v.minValue(MIN_IDLE_LIMIT), v.maxValue(MAX_IDLE_LIMIT))

/** One row of the list: everything there is to say about a device but its history. */
export const device = v.object({
  id: deviceId,
  /** Revision of the stored record, which commands name; 0 while nothing is stored, as of one that waits. */
  rev: count,
  state: deviceState,
  /** Since when it is in this state. */
  since: time,
  /** Empty until a person or the device itself has given one. */
  name: v.union([v.literal(''), name]),
  group: v.nullable(name),
  firstSeenAt: v.nullable(time),
  /** The last authentic message. */
  lastSeenAt: v.nullable(time),
  idleLimit,
  keySource: v.nullable(keySource),
  /** Of the stored key, see `usmp keygen psk --device`; two groups of four, as `7Q4K-2MWD`. */
  fingerprint: v.nullable(v.string()),
  knock: v.nullable(knock),
  attempts: v.nullable(attempts),
  session: v.nullable(sessionInfo),
  firmware: v.nullable(firmware),
  /** Left out: it has not told anything since the gateway was started. Null: it takes no updates. */
  updates: v.optional(v.nullable(deviceUpdates)),
  /** Methods that the device says it answers. */
  methods: v.array(text(64)),
  readings: v.record(text(64), reading),
  alarmRules: v.pipe(v.array(alarmRule), v.maxLength(MAX_ALARM_RULES)),
  alarms: v.array(activeAlarm),
  blockedUntil: v.nullable(time),
  /** Ids of hardware that this device has taken the place of, oldest first. */
  replaced: v.array(deviceId),
})
export type Device = v.InferOutput<typeof device>
export const deviceList = v.object({ devices: v.array(device) })
