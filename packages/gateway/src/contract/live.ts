import * as v from 'valibot'
import { joinWindow, requestOutcome } from './commands.js'
import { device, reading } from './device.js'
import { image, rollout, rolloutDevice } from './rollouts.js'
import { brokerLink, storeLink } from './system.js'
import { count, deviceId, text, time } from './text.js'

/** Without any message for so long the page calls what it shows stale, ms. */
export const STALE_AFTER = 3_000
/** Between two messages of the live socket when nothing happens, ms. */
export const HEARTBEAT = 1_000
/** Close code: log in, do not try again. */
export const CLOSE_LOGIN = 4401
/** Close code: the page took its messages too slowly; try again. */
export const CLOSE_SLOW = 4408

/**
 * What the gateway sends on the socket `/api/live`: first one `snapshot`, then what changes, in order. The page sends nothing.
 * A new connection begins with a new snapshot, so nothing has to be remembered over a break.
 */
export const liveMessage = v.variant('type', [
  v.object({
    type: v.literal('snapshot'),
    now: time,
    devices: v.array(device),
    join: joinWindow,
    broker: brokerLink,
    store: storeLink,
    knocksWhileClosed: count,
  }),
  /** Everything about one device, but readings come as `readings` too. */
  v.object({ type: v.literal('device'), device }),
  v.object({ type: v.literal('removed'), id: deviceId }),
  /** At most four times a second, all that changed: the newest of each name. */
  v.object({
    type: v.literal('readings'),
    changed: v.array(v.object({ id: deviceId, name: text(64), ...reading.entries })),
  }),
  v.object({ type: v.literal('join'), join: joinWindow }),
  v.object({ type: v.literal('broker'), broker: brokerLink }),
  v.object({ type: v.literal('store'), store: storeLink }),
  v.object({ type: v.literal('request'), id: deviceId, outcome: requestOutcome }),
  /** Knocks of unknown devices while the join window was closed, since the start. */
  v.object({ type: v.literal('knocks'), whileClosed: count }),
  /** All roll-outs, newest first: after each snapshot, and when one is gone. */
  v.object({ type: v.literal('rollouts'), rollouts: v.array(rollout) }),
  /** One roll-out has begun or changed. */
  v.object({ type: v.literal('rollout'), rollout }),
  /** Devices of a roll-out that have changed, at most four times a second; `id` is that of the roll-out. */
  v.object({ type: v.literal('rolloutDevices'), id: text(32), devices: v.array(rolloutDevice) }),
  /** All images: after each snapshot, and when one came or went. */
  v.object({ type: v.literal('images'), images: v.array(image) }),
  v.object({ type: v.literal('heartbeat'), now: time }),
])
export type LiveMessage = v.InferOutput<typeof liveMessage>
