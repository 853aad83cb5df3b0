import * as v from 'valibot'
import { count, deviceId, name, span, text, time } from './text.js'

/** The largest image, bytes. */
export const MAX_IMAGE = 16 * 1024 * 1024
/** The largest bundle: a signed manifest, and the image. */
export const MAX_BUNDLE = MAX_IMAGE + 512

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex'))

/** A signed image that the gateway keeps. Its id is the SHA-256 of the signed manifest, as two manifests may name one image. */
export const image = v.object({
  id: sha256,
  /** Of the image itself. */
  sha256,
  size: count,
  product: text(16),
  chip: text(8),
  version: text(16),
  counter: count,
  leastVersion: text(16),
  /** What the publisher calls it; empty if nothing. */
  name: v.pipe(v.string(), v.maxLength(32)),
  keyId: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  /** Whether the signature was checked here: the gateway knows the public key. Devices check it in any case. */
  verified: v.boolean(),
  addedAt: time,
  addedBy: text(64),
})
export type Image = v.InferOutput<typeof image>
export const imageList = v.object({ images: v.array(image) })

/** Which devices a roll-out is for; those that come later join. */
export const rolloutTarget = v.variant('kind', [
  v.strictObject({ kind: v.literal('all') }),
  v.strictObject({ kind: v.literal('group'), group: name }),
  v.strictObject({ kind: v.literal('devices'), ids: v.pipe(v.array(deviceId), v.minLength(1), v.maxLength(1000)) }),
])
export type RolloutTarget = v.InferOutput<typeof rolloutTarget>

/** Minutes of the day, local to the gateway; `from` may be later than `to`, over midnight. */
const minuteOfDay = v.pipe(count, v.maxValue(24 * 60 - 1))
export const rolloutSettings = v.strictObject({
  /** Devices of the first stage; 0: no canary. */
  canary: v.pipe(count, v.maxValue(10)),
  /** Whether a person has to go on after the canary. */
  pauseAfterCanary: v.boolean(),
  /** ms for which a device of a stage must stay well after its confirmation, before the next stage begins. */
  soak: v.pipe(span, v.maxValue(7 * 24 * 3600_000)),
  /** Growing shares of all targets, percent; the last one is 100. */
  waves: v.pipe(
    v.array(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100))),
    v.minLength(1),
    v.maxLength(8),
  ),
  /** Transfers of this roll-out at once. */
  maxParallel: v.pipe(count, v.minValue(1), v.maxValue(64)),
  /** When devices may be updated; null: always. */
  window: v.nullable(v.strictObject({ from: minuteOfDay, to: minuteOfDay })),
})
export type RolloutSettings = v.InferOutput<typeof rolloutSettings>

/**
 * - `canary`, `wave`: devices of this stage are updated.
 * - `soaking`: all that could be updated in this stage are; the gateway waits whether they stay well.
 * - `paused`: nothing is offered until a person goes on; `reason` says who or what has paused it.
 * - `done`: the last wave is through; devices that come later still join, until the roll-out is aborted or another one replaces it.
 * - `aborted`: nothing is offered any more. Devices that restart into the image already are not called back.
 */
export const rolloutState = v.picklist(['canary', 'wave', 'soaking', 'paused', 'done', 'aborted'])
export type RolloutState = v.InferOutput<typeof rolloutState>

/**
 * - `targeted`: its turn has not come. `offline`: its turn has come, and it has no session.
 * - `offered`, `transferring`, `staged`, `rebooting`, `verifying`: on the way.
 * - `done`: runs the image and has confirmed it.
 * - `failed`: refused or given up, see `code`. `rolled-back`: has tried the image and gone back.
 * - `skipped`: not for this device (another product or chip), or it takes no updates.
 */
export const rolloutDeviceState = v.picklist([
  'targeted',
  'offline',
  'offered',
  'transferring',
  'staged',
  'rebooting',
  'verifying',
  'done',
  'failed',
  'rolled-back',
  'skipped',
])
export type RolloutDeviceState = v.InferOutput<typeof rolloutDeviceState>

export const rolloutDevice = v.object({
  id: deviceId,
  state: rolloutDeviceState,
  /** 0: the canary; 1 and on: a wave. */
  stage: count,
  since: time,
  /** Bytes that the device has; null where that means nothing. */
  offset: v.nullable(count),
  attempts: count,
  /** When it is tried again. */
  retryAt: v.nullable(time),
  /** An `OtaCode` of @usmp/ota, or a code of the gateway. */
  code: v.nullable(v.union([v.number(), v.string()])),
  reason: v.nullable(v.pipe(v.string(), v.maxLength(256))),
})
export type RolloutDevice = v.InferOutput<typeof rolloutDevice>

/** One row of the list. */
export const rollout = v.object({
  id: text(32),
  rev: count,
  name,
  image,
  target: rolloutTarget,
  settings: rolloutSettings,
  state: rolloutState,
  /** 0: the canary; 1 and on: a wave. */
  stage: count,
  since: time,
  createdAt: time,
  createdBy: text(64),
  /** Why it is paused or aborted, for people. */
  reason: v.nullable(v.pipe(v.string(), v.maxLength(256))),
  /** When soaking is over. */
  soakUntil: v.nullable(time),
  /** Devices by state. */
  counts: v.record(rolloutDeviceState, count),
})
export type Rollout = v.InferOutput<typeof rollout>
export const rolloutList = v.object({ rollouts: v.array(rollout) })
export const rolloutDetail = v.object({ rollout, devices: v.array(rolloutDevice) })
export type RolloutDetail = v.InferOutput<typeof rolloutDetail>

/** Begins one. What is left out of the settings has its default: canary 1 % (1 to 10), a pause after it, 10 minutes, 5, 25, 100 %, 8 at once. */
export const startRollout = v.strictObject({
  image: sha256,
  name: v.optional(name),
  target: rolloutTarget,
  settings: v.optional(v.partial(rolloutSettings)),
})
const reason = v.optional(v.pipe(v.string(), v.maxLength(256)))
export const pauseRollout = v.strictObject({ rev: count, reason })
export const resumeRollout = v.strictObject({ rev: count })
export const abortRollout = v.strictObject({ rev: count, reason })
/** Tries devices that failed once more; all of them where `ids` is left out. */
export const retryRollout = v.strictObject({ rev: count, ids: v.optional(v.array(deviceId)) })
