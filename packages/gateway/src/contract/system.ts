import * as v from 'valibot'
import { count, time } from './text.js'

/** The way from the gateway to the broker. */
export const brokerLink = v.object({
  state: v.picklist(['none', 'connected', 'connecting', 'failed']),
  url: v.nullable(v.string()),
  since: time,
  /** Why it failed, for people. */
  reason: v.nullable(v.string()),
  nextTryAt: v.nullable(time),
})
export type BrokerLink = v.InferOutput<typeof brokerLink>

/** The store. Read-only after a failed write: devices keep their sessions, commands that must be stored are refused. */
export const storeLink = v.object({
  state: v.picklist(['ok', 'read-only']),
  since: time,
  reason: v.nullable(v.string()),
})

export type StoreLink = v.InferOutput<typeof storeLink>

/** Whose access list is wanted. */
export const aclQuery = v.strictObject({ broker: v.picklist(['mosquitto', 'emqx']) })
/** The access list as text for the file of the broker; devices are users whose names are their ids. */
export const accessList = v.object({ text: v.string() })

export const systemInfo = v.object({
  version: v.string(),
  site: v.string(),
  startedAt: time,
  now: time,
  listeners: v.array(v.object({ carrier: v.string(), address: v.string() })),
  broker: brokerLink,
  /** What lets the gateway be found: the name of this start, and the interfaces; null if it does not announce itself. */
  announced: v.nullable(v.object({ instance: v.string(), interfaces: v.array(v.string()) })),
  store: storeLink,
  devices: v.record(v.string(), count),
  sessions: count,
  /** Messages of all sessions since the start, also of those that have ended. */
  messages: v.object({ in: count, out: count }),
  /** Limits that were reached since the start, with how often. */
  limits: v.record(v.string(), count),
  /** Datagrams and frames that belonged to nobody, by cause. */
  dropped: v.record(v.string(), count),
  /** The clock was set by more than 5 s while the gateway ran: when, and by how many ms. */
  clockJumps: v.array(v.object({ at: time, by: v.number() })),
  memory: count,
})
export type SystemInfo = v.InferOutput<typeof systemInfo>
