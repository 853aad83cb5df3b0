import { fromHex, toHex } from '@usmp/core'
import type { OptionRule } from '@usmp/core/options'

/** Where the gateway and the devices of one site meet (specification, section 11.1). */
export interface SiteTopics {
  /** device → gateway */
  up(id: string): string
  /** gateway → device */
  down(id: string): string
  /** The will of a device's MQTT connection. */
  will(id: string): string
  /** The presence of one gateway. */
  presence(node: string): string
  readonly allUp: string
  readonly allWills: string
  readonly allPresences: string
  /** The device that a topic of `allUp` or `allWills` is about; undefined if it is not written as it must be. */
  idOf(topic: string): string | undefined
  /** The gateway that a topic of `allPresences` is about. */
  nodeOf(topic: string): string
}

const ID = /^[0-9a-f]{12}$/

/** A site, or a gateway of one: it stands in every topic, so it is short and has no wildcard in it. */
export const topicName: OptionRule = {
  expected: 'a name of 1 to 32 letters, digits, - and _',
  fits: (value) => typeof value === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(value),
}

/** The topics of a site; `site` fits {@link topicName}. */
export function topicsOf(site: string): SiteTopics {
  const at = (id: string, leaf: string) => `usmp/${site}/${id.slice(-2)}/${id}/${leaf}`
  return {
    up: (id) => at(id, 'up'),
    down: (id) => at(id, 'down'),
    will: (id) => at(id, 'lwt'),
    presence: (node) => `usmp/${site}/gw/${node}`,
    allUp: `usmp/${site}/+/+/up`,
    allWills: `usmp/${site}/+/+/lwt`,
    allPresences: `usmp/${site}/gw/+`,
    idOf(topic) {
      const [, , shard, id] = topic.split('/')
      return id && ID.test(id) && shard === id.slice(-2) ? id : undefined
    },
    nodeOf: (topic) => topic.slice(topic.lastIndexOf('/') + 1),
  }
}

/** A device id as topics have it: 12 lower-case hex digits without colons. */
export function topicId(deviceId: Uint8Array): string {
  return toHex(deviceId)
}

/** The bytes of a device id in a topic. */
export function idBytes(id: string): Uint8Array {
  return fromHex(id)
}
