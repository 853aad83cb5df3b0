import * as v from 'valibot'
import { deviceId, numberInQuery, text, time } from './text.js'

/** `fine`: each reading of the last 15 minutes. `minute`: mean, least and most of each minute of the last 7 days. */
export const resolution = v.picklist(['fine', 'minute'])
export type Resolution = v.InferOutput<typeof resolution>

/** Columns of equal length, oldest first. A gap is `null`: a time without any session, which is no value of zero. */
export const series = v.object({
  id: deviceId,
  reading: text(64),
  unit: v.nullable(v.string()),
  resolution,
  at: v.array(time),
  mean: v.array(v.nullable(v.number())),
  /** For `minute` only. */
  min: v.optional(v.array(v.nullable(v.number()))),
  max: v.optional(v.array(v.nullable(v.number()))),
})
export type Series = v.InferOutput<typeof series>

const range = { from: v.optional(numberInQuery), to: v.optional(numberInQuery) }
/** `from` and `to`: ms since 1970; left out: all there is. */
export const seriesQuery = v.strictObject({ reading: text(64), resolution, ...range })
/** Without `reading` all readings of the device that are numbers. */
export const exportQuery = v.strictObject({
  format: v.picklist(['csv', 'json']),
  reading: v.optional(text(64)),
  resolution,
  ...range,
})
export const seriesExport = v.object({ series: v.array(series) })
