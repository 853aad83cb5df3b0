import * as v from 'valibot'

/** ms since 1970, by the clock of the gateway. */
export const time = v.pipe(v.number(), v.integer(), v.minValue(0))
export const count = v.pipe(v.number(), v.integer(), v.minValue(0))
/** A span in ms. */
export const span = v.pipe(v.number(), v.integer(), v.minValue(0))
/** A whole number as it stands in a query. */
export const numberInQuery = v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'must be a whole number'), v.transform(Number))
/** Text of a person or a device: it may hold markup and control characters, and is only ever shown as text. */
export const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

/** Six bytes as `aa:bb:cc:dd:ee:ff`: the device id of a session. */
export const deviceId = v.pipe(
  v.string(),
  v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'must look like aa:bb:cc:dd:ee:ff'),
)
/** A pre-shared key as 64 hex digits. Goes in only; nothing ever gives one out. */
export const psk = v.pipe(
  v.string(),
  v.regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hex digits, as `usmp keygen psk` writes'),
)
/** Name of a device or group, characters. */
export const MAX_NAME = 64
export const name = text(MAX_NAME)
