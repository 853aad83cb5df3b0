import * as v from 'valibot'
import { apiToken, user } from '../contract/access.js'
import { text, time } from '../contract/text.js'
import { deviceRecord } from '../devices/record.js'
import { imageRecord, rolloutDeviceRecord, rolloutRecord } from '../rollouts/records.js'

const { name: _name, rev: _rev, ...userEntries } = user.entries
/** A user as stored; the name is the id of the record. */
export const userRecord = v.strictObject({
  ...userEntries,
  /** The scheme with its parameters, salt and hash, as `scrypt$17$8$1$…$…`. */
  password: text(512),
  /** Random, new with each change of password or role: a login of another generation is void, however this change was cut short. */
  generation: text(64),
})
export type UserRecord = v.InferOutput<typeof userRecord>

const { id: _id, ...tokenEntries } = apiToken.entries
/** A token for scripts as stored; the id of the record is that of the token. */
export const tokenRecord = v.strictObject({
  ...tokenEntries,
  /** SHA-256 of the token, hex. */
  hash: text(64),
})
export type TokenRecord = v.InferOutput<typeof tokenRecord>

/** A login of a page; the id of the record is the SHA-256 of the cookie, hex. */
export const loginRecord = v.strictObject({
  user: text(64),
  /** The generation of the user when the login was made. */
  generation: text(64),
  createdAt: time,
  lastUsedAt: time,
  stepUpUntil: v.nullable(time),
})
export type LoginRecord = v.InferOutput<typeof loginRecord>

/** By collection: what its records must be. */
export const SCHEMAS = {
  devices: deviceRecord,
  users: userRecord,
  tokens: tokenRecord,
  logins: loginRecord,
  images: imageRecord,
  rollouts: rolloutRecord,
  rolloutDevices: rolloutDeviceRecord,
} as const
