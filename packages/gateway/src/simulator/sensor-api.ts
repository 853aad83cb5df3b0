import { contract } from '@usmp/rpc'
import * as v from 'valibot'
import { deviceApi } from '../device-api.js'

/** The shortest and the longest time between two readings, s. */
export const MIN_INTERVAL_S = 0.25
export const MAX_INTERVAL_S = 3600

/** What a simulated sensor answers. */
export const sensorApi = contract({
  requests: {
    ...deviceApi.requests,
    /** Blinks, so that a person finds it among others. */
    identify: {
      params: v.object({ seconds: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(60)), 10) }),
      result: v.object({ blinking: v.number() }),
    },
    /** Sets the time between two readings, s. */
    set_interval: {
      params: v.object({ seconds: v.pipe(v.number(), v.minValue(MIN_INTERVAL_S), v.maxValue(MAX_INTERVAL_S)) }),
      result: v.object({ seconds: v.number() }),
    },
    /** Always fails, as a sensor with a broken part does. */
    self_test: { params: v.object({}), result: v.object({}) },
  },
})
