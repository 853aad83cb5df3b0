import { type Clock, systemClock } from '@usmp/core'

/** Node's clock: what is deferred runs after all promises that are settled now, so that their frames leave together. */
export const nodeClock: Clock = {
  ...systemClock,
  defer: (callback) => process.nextTick(callback),
  yieldToEventLoop: (callback) => void setImmediate(callback),
}
