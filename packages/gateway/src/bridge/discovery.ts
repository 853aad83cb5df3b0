import type { Device, Reading } from '../contract/device.js'
import { cleanText, MAX_STATE, slugOf } from './names.js'
import type { BridgeTopics } from './topics.js'
import { measureOf } from './units.js'

/** Most readings of a device that become entities. */
export const MAX_ENTITIES = 64

/** States in which Home Assistant shows a device. One that waits is nobody's yet; the key of one that is revoked or blocked is wiped. */
const SHOWN: readonly Device['state'][] = ['approved', 'online', 'offline', 'unknown']
export const isShown = (device: Device): boolean => SHOWN.includes(device.state)

/** The id of the first hardware: entities, their history and automations outlive a replacement. */
export const historyOf = (device: Device): string => device.replaced[0] ?? device.id

type Platform = 'sensor' | 'binary_sensor'
interface Component {
  readonly platform: Platform
  readonly [option: string]: unknown
}

const platformOf = (value: Reading['value']): Platform => (typeof value === 'boolean' ? 'binary_sensor' : 'sensor')
const otherPlatform = (platform: Platform): Platform => (platform === 'sensor' ? 'binary_sensor' : 'sensor')

/** A value as Home Assistant reads it; its word for what is unknown stands for a text of which nothing can be shown. */
export function stateOf(value: Reading['value']): string {
  if (typeof value === 'boolean') return value ? 'ON' : 'OFF'
  return typeof value === 'number' ? String(value) : cleanText(value, MAX_STATE) || 'None'
}

/** The readings of a device that are shown, bounded. */
export function shownReadings(device: Device): [name: string, reading: Reading][] {
  return Object.entries(device.readings).slice(0, MAX_ENTITIES)
}

/**
 * The discovery message of a device, one for all its entities. No text of a device stands where Home Assistant expects a template,
 * and the device claims no hardware address: by such a claim it could join itself to another device of the home.
 */
export function discoveryOf(device: Device, topics: BridgeTopics, version: string): Record<string, unknown> {
  const history = historyOf(device)
  const node = topics.node(history)
  return {
    device: deviceInfo(device, node),
    origin: { name: 'USMP gateway', sw_version: version },
    availability: [{ topic: topics.gateway }, { topic: topics.availability(history) }],
    availability_mode: 'all',
    components: { ...statesOf(history, topics, node), ...readingsOf(device, topics, node) },
  }
}

function deviceInfo(device: Device, node: string): Record<string, unknown> {
  const { firmware } = device
  const told = {
    model: firmware && cleanText(firmware.product),
    sw_version: firmware && cleanText(firmware.version),
    hw_version: firmware?.chip && cleanText(firmware.chip),
    suggested_area: device.group && cleanText(device.group),
  }
  return {
    identifiers: [node],
    name: cleanText(device.name) || device.id,
    serial_number: device.id,
    ...Object.fromEntries(Object.entries(told).filter(([, text]) => text)),
  }
}

/** What the gateway itself says of a device. Both are known as long as the gateway runs, whether the device is there or not. */
function statesOf(history: string, topics: BridgeTopics, node: string): Record<string, Component> {
  const common = {
    platform: 'binary_sensor',
    entity_category: 'diagnostic',
    availability: [{ topic: topics.gateway }],
  } as const
  return {
    connectivity: {
      ...common,
      name: 'Connection',
      unique_id: `${node}_connectivity`,
      device_class: 'connectivity',
      state_topic: topics.availability(history),
      payload_on: 'online',
      payload_off: 'offline',
    },
    alarm: {
      ...common,
      name: 'Alarm',
      unique_id: `${node}_alarm`,
      device_class: 'problem',
      state_topic: topics.alarm(history),
    },
  }
}

function readingsOf(device: Device, topics: BridgeTopics, node: string): Record<string, Component> {
  const components: Record<string, Component> = {}
  for (const [name, { value, unit }] of shownReadings(device)) {
    const platform = platformOf(value)
    const slug = slugOf(name)
    components[`${platform}_${slug}`] = {
      platform,
      name: cleanText(name) || slug,
      unique_id: `${node}_reading_${slug}`,
      state_topic: topics.reading(historyOf(device), slug),
      ...(typeof value === 'number' ? measureOf(name, (unit && cleanText(unit, 16)) || null) : {}),
    }
    // A component of nothing but its platform is removed: the one from when the reading was of the other kind.
    const other = otherPlatform(platform)
    components[`${other}_${slug}`] = { platform: other }
  }
  return components
}
