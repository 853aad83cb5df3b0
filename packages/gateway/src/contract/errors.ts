import * as v from 'valibot'

/** Every answer of the API that is not a success. */
export const apiError = v.object({
  error: v.object({ code: v.string(), message: v.string(), hint: v.nullable(v.string()) }),
})
export type ApiError = v.InferOutput<typeof apiError>

/** The codes, each with its HTTP status. */
export const errorStatus = {
  /** The body or a parameter is not what the description says. */
  INVALID: 400,
  /** Not logged in, or not any more. */
  UNAUTHENTICATED: 401,
  /** Name or password is wrong. */
  WRONG_PASSWORD: 401,
  /** The role does not allow it. */
  FORBIDDEN: 403,
  /** Give the password again first. */
  STEP_UP_REQUIRED: 403,
  /** From another page, or without what proves that it is not. */
  FOREIGN_ORIGIN: 403,
  /** The setup link was used, or is too old. */
  SETUP_CLOSED: 403,
  NOT_FOUND: 404,
  /** Somebody else has changed it meanwhile; look again. */
  CONFLICT: 409,
  /** The device has knocked again since, so this would approve what nobody has seen. */
  PROOF_CHANGED: 409,
  /** The proof is too old to be checked; the device has to knock again. */
  PROOF_EXPIRED: 409,
  /** Not in a state in which that can be done. */
  WRONG_STATE: 409,
  /** There is a device with this id already. */
  EXISTS: 409,
  /** The device has no session. */
  DEVICE_OFFLINE: 409,
  /** The body is larger than this route takes. */
  TOO_LARGE: 413,
  /** The key does not fit the proof. */
  KEY_DOES_NOT_FIT: 422,
  /** The core refuses the key. */
  WEAK_PSK: 422,
  /** Too often, or too many at once; wait as long as the header `Retry-After` says, if there is one. */
  TOO_MANY: 429,
  /** A fault of the gateway; its log has more. */
  INTERNAL: 500,
  /** The store cannot be written. */
  STORE_FAILED: 503,
  /** The device did not answer in time. It may have carried the request out. */
  REQUEST_TIMEOUT: 504,
  /** The session ended before the answer. The device may have carried the request out. */
  SESSION_LOST: 504,
} as const
export type GatewayErrorCode = keyof typeof errorStatus
