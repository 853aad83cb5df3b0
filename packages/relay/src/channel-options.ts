import {
  callback,
  clock,
  group,
  integer,
  type OptionRule,
  type OptionTable,
  oneOf,
  period,
  signal,
  type TableOf,
} from '@usmp/core/options'
import { MAX_CHANNEL_MESSAGE } from './cell.js'
import type { ChannelOptions, SendOptions, TrySendOptions } from './channel.js'
import { type Cover, MAX_RATE, MIN_RATE } from './cover.js'

const mode: OptionRule = /* @__PURE__ */ Object.assign(oneOf('off', 'schedule', 'noise'), { required: true })
const rate: OptionRule = {
  expected: 'a number of cells a second from 1/60 to 100',
  fits: (value) => typeof value === 'number' && value >= MIN_RATE && value <= MAX_RATE,
  required: true,
}
const MOST = 2 ** 31 - 1

/** A cover. */
export const cover: OptionRule = /* @__PURE__ */ group(
  (value): OptionTable => (value.mode === 'schedule' ? { mode, rate, gaps: oneOf('exponential', 'grid') } : { mode }),
)

/** Of the constructor of a channel. */
export const channelTable: TableOf<ChannelOptions> = {
  clock,
  now: callback,
  random: callback,
  cover,
  maxMessages: /* @__PURE__ */ integer(1, MOST),
  maxBytes: /* @__PURE__ */ integer(MAX_CHANNEL_MESSAGE, MOST),
  onUnconfirmed: callback,
}

/** Of `setCover` of a channel. */
export const coverTable: TableOf<{ readonly cover: Cover }> = {
  cover: /* @__PURE__ */ Object.assign({ required: true } as const, cover),
}

/** Of `send` of a channel. */
export const sendTable: TableOf<SendOptions> = { ttl: period, signal }

/** Of `trySend` of a channel. */
export const trySendTable: TableOf<TrySendOptions> = { ttl: period }
