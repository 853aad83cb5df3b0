import * as v from 'valibot'
import { name, numberInQuery, text, time } from './text.js'

/** viewer: reads. operator: renames, sends requests, opens the join window, approves. admin: everything. */
export const role = v.picklist(['viewer', 'operator', 'admin'])
export type Role = v.InferOutput<typeof role>

/** Least length of a password, characters. */
export const MIN_PASSWORD = 10
export const newPassword = v.pipe(
  v.string(),
  v.minLength(MIN_PASSWORD, `must have at least ${MIN_PASSWORD} characters`),
  v.maxLength(256),
)
export const userName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9, . _ -'))
/** In the audit log these are not people. */
const RESERVED = ['cli', 'gateway', 'nobody']
export const newUserName = v.pipe(
  userName,
  v.check((name) => !RESERVED.includes(name), `must not be ${RESERVED.join(', ')}: the audit log calls others so`),
)

/** What a page asks first. */
export const whoAmI = v.object({
  /** There is no user yet: the setup link makes the first one. */
  setupNeeded: v.boolean(),
  user: v.nullable(v.object({ name: userName, role })),
  /** Until when dangerous acts need no password again. */
  stepUpUntil: v.nullable(time),
  site: v.string(),
})
export type WhoAmI = v.InferOutput<typeof whoAmI>

export const setup = v.strictObject({ token: text(64), name: newUserName, password: newPassword })
export const login = v.strictObject({
  name: v.pipe(v.string(), v.maxLength(64)),
  password: v.pipe(v.string(), v.maxLength(256)),
})
export const stepUp = v.strictObject({ password: v.pipe(v.string(), v.maxLength(256)) })

export const user = v.object({ name: userName, role, rev: v.number(), createdAt: time, lastLoginAt: v.nullable(time) })
export type User = v.InferOutput<typeof user>
export const userList = v.object({ users: v.array(user) })
export const createUser = v.strictObject({ name: newUserName, role, password: newPassword })
export const changeUser = v.strictObject({ rev: v.number(), role: v.optional(role), password: v.optional(newPassword) })
/** The revision that the caller has seen. */
export const removeUserQuery = v.strictObject({ rev: numberInQuery })
export const changeOwnPassword = v.strictObject({ password: v.pipe(v.string(), v.maxLength(256)), newPassword })

/** A token for scripts, sent as `Authorization: Bearer …`. */
export const apiToken = v.object({
  id: v.string(),
  name,
  role,
  createdAt: time,
  createdBy: v.string(),
  expiresAt: time,
  lastUsedAt: v.nullable(time),
})
export type ApiToken = v.InferOutput<typeof apiToken>
export const tokenList = v.object({ tokens: v.array(apiToken) })
export const createToken = v.strictObject({
  name,
  role,
  days: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(365)),
})
/** The only time that the token is shown. */
export const createdToken = v.object({ ...apiToken.entries, token: v.string() })
