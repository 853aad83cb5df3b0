import * as v from 'valibot'
import { alarmRule, idleLimit, MAX_ALARM_RULES } from './device.js'
import { count, deviceId, name, psk, span, text, time } from './text.js'

/** Which key a waiting device has: answers whether this one fits its proof. Nothing is stored. */
export const checkKey = v.strictObject({ proofId: v.string(), psk })
export const keyCheck = v.object({ fits: v.boolean(), fingerprint: v.nullable(v.string()) })

/** Lets a waiting device in. Without `psk` only if it is `proven` by the master key. */
export const approve = v.strictObject({
  proofId: v.string(),
  psk: v.optional(psk),
  name: v.optional(name),
  group: v.optional(v.nullable(name)),
})

/** Registers a device before it has ever knocked. */
export const register = v.strictObject({
  id: deviceId,
  psk,
  name: v.optional(name),
  group: v.optional(v.nullable(name)),
})
/** CSV with a header: `id,psk` and, if wanted, `name,group`. */
export const importDevices = v.strictObject({ csv: v.pipe(v.string(), v.maxLength(2_000_000)) })
export const importResult = v.object({
  registered: count,
  /** Lines that were not taken, counted from 1 with the header; the others were. */
  refused: v.array(v.object({ line: count, id: v.nullable(v.string()), code: v.string(), message: v.string() })),
})

/** Changes of a device's own settings; what is left out stays. */
export const change = v.strictObject({
  rev: count,
  name: v.optional(name),
  group: v.optional(v.nullable(name)),
  idleLimit: v.optional(idleLimit),
  alarmRules: v.optional(v.pipe(v.array(alarmRule), v.maxLength(MAX_ALARM_RULES))),
})
/** Keeps a waiting row when the list is full. */
export const star = v.strictObject({ starred: v.boolean() })

const reason = v.optional(v.pipe(v.string(), v.maxLength(256)))
export const revoke = v.strictObject({ rev: count, reason })
export const remove = v.strictObject({ rev: count, reason })
/** Blocks an id that waits or is known. Without `until` for 30 days. */
export const block = v.strictObject({ rev: count, until: v.optional(time), reason })
export const unblock = v.strictObject({ rev: count })
/** Gives name, group, settings and history of `id` to the waiting hardware `by`, and revokes the old. */
export const replace = v.strictObject({ rev: count, by: deviceId, proofId: v.string(), psk: v.optional(psk), reason })

/** Opens the join window. It closes at its deadline, after `count` devices, whatever comes first. */
export const openJoin = v.strictObject({
  minutes: v.pipe(v.number(), v.minValue(1), v.maxValue(60)),
  count: v.optional(v.pipe(count, v.minValue(1), v.maxValue(128))),
  /** Only ids that end in these hex digits, without colons. */
  suffix: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{1,12}$/, 'must be 1 to 12 lower-case hex digits'))),
})
export const joinWindow = v.object({
  open: v.boolean(),
  /** The server's deadline; the only clock that counts. */
  until: v.nullable(time),
  /** ms until then, for clocks that differ. */
  remaining: v.nullable(span),
  left: v.nullable(count),
  suffix: v.nullable(v.string()),
  openedBy: v.nullable(v.string()),
  /** Knocks that found the list full since the window was opened. */
  overflow: count,
})
export type JoinWindow = v.InferOutput<typeof joinWindow>

/** Sends a request to a device and waits for its answer. */
export const request = v.strictObject({
  method: text(64),
  params: v.optional(v.record(v.string(), v.unknown())),
  /** ms; at most 60 s. */
  timeout: v.optional(v.pipe(span, v.minValue(100), v.maxValue(60_000))),
})
export const requestOutcome = v.object({
  id: v.string(),
  at: time,
  by: v.string(),
  method: v.string(),
  /** Left out for viewers, as `result` and what the device says in `error`: all may hold secrets, such as a password of a network. */
  params: v.optional(v.record(v.string(), v.unknown())),
  /** ms until the answer. */
  duration: v.number(),
  result: v.optional(v.unknown()),
  /** What the device answered instead, or a code of this API. */
  error: v.optional(
    v.object({ code: v.union([v.string(), v.number()]), message: v.string(), data: v.optional(v.unknown()) }),
  ),
})
export type RequestOutcome = v.InferOutput<typeof requestOutcome>
export const requestHistory = v.object({ requests: v.array(requestOutcome) })

export const pingResult = v.object({ roundTrip: v.number() })
