import * as v from 'valibot'
import { image, rollout, rolloutDevice } from '../contract/rollouts.js'
import { count, time } from '../contract/text.js'

const { id: _imageId, ...imageEntries } = image.entries
/** What is stored of an image; the id of the record is that of the image. Its bytes are a file, see `ImageFiles`. */
export const imageRecord = v.strictObject(imageEntries)
export type ImageRecord = v.InferOutput<typeof imageRecord>

const { id: _id, rev: _rev, counts: _counts, ...rolloutEntries } = rollout.entries
/** What is stored of a roll-out, but for its devices. */
export const rolloutRecord = v.strictObject({
  ...rolloutEntries,
  /** Where a paused one goes on; null while it is not paused. */
  heldIn: v.nullable(v.picklist(['canary', 'wave', 'soaking', 'done'])),
  /** Whether a rule has paused it: who goes on then does so in spite of it. */
  heldByRule: v.boolean(),
  /** By stage: what its failures counted when a person went on in spite of them. */
  forgiven: v.record(v.pipe(v.string(), v.regex(/^\d{1,2}$/)), count),
  /** No device joins any more: it was aborted, or another roll-out is for the same devices. */
  closed: v.boolean(),
})
export type RolloutRecord = v.InferOutput<typeof rolloutRecord>

/**
 * What is stored of a device in a roll-out, once it has a stage; the id of the record is `ROLLOUT/DEVICE`. That it is on the way before
 * it restarts is not in here: after a restart of the gateway the device itself tells how far it is.
 */
export const rolloutDeviceRecord = v.strictObject({
  state: v.picklist(['targeted', 'rebooting', 'done', 'failed', 'rolled-back', 'skipped']),
  stage: count,
  since: time,
  attempts: rolloutDevice.entries.attempts,
  retryAt: rolloutDevice.entries.retryAt,
  code: rolloutDevice.entries.code,
  reason: rolloutDevice.entries.reason,
  /** Sessions that it lost within the soak before its turn. */
  drops: count,
})
export type RolloutDeviceRecord = v.InferOutput<typeof rolloutDeviceRecord>

/** The id of the record of a device in a roll-out. */
export function deviceKey(rolloutId: string, deviceId: string): string {
  return `${rolloutId}/${deviceId}`
}

/** @returns undefined if it is no such id */
export function parseDeviceKey(key: string): { readonly rollout: string; readonly device: string } | undefined {
  const at = key.indexOf('/')
  return at < 0 ? undefined : { rollout: key.slice(0, at), device: key.slice(at + 1) }
}
