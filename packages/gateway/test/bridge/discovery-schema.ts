// What Home Assistant takes as a discovery message, checked more strictly than it does itself: it drops fields that it does not know,
// here they are faults. Fields, classes and units as published for the MQTT integration, device discovery, sensor and binary sensor, 2026.11.
import * as v from 'valibot'

/** Units of each class of sensors that the bridge may use, and the state classes that go with it. */
const SENSOR_CLASSES: Readonly<Record<string, { units: readonly string[]; state?: readonly string[] }>> = {
  temperature: { units: ['°C', '°F', 'K'] },
  pressure: {
    units: ['mPa', 'Pa', 'hPa', 'kPa', 'bar', 'cbar', 'mbar', 'mmHg', 'inHg', 'inH₂O', 'psi', 'atm'],
  },
  humidity: { units: ['%'] },
  battery: { units: ['%'] },
  moisture: { units: ['%'] },
  illuminance: { units: ['lx'] },
  irradiance: { units: ['W/m²', 'BTU/(h⋅ft²)'] },
  voltage: { units: ['V', 'mV', 'μV', 'kV', 'MV'] },
  current: { units: ['A', 'mA', 'μA'] },
  power: { units: ['mW', 'W', 'kW', 'MW', 'GW', 'TW'] },
  apparent_power: { units: ['mVA', 'VA', 'kVA'] },
  energy: {
    units: ['J', 'kJ', 'MJ', 'GJ', 'mWh', 'Wh', 'kWh', 'MWh', 'GWh', 'TWh', 'cal', 'kcal', 'Mcal', 'Gcal'],
    state: ['total', 'total_increasing'],
  },
  frequency: { units: ['mHz', 'Hz', 'kHz', 'MHz', 'GHz'] },
  signal_strength: { units: ['dB', 'dBm'] },
  conductivity: { units: ['S/cm', 'μS/cm', 'mS/cm'] },
  weight: { units: ['kg', 'g', 'mg', 'μg', 'oz', 'lb', 'st'] },
  distance: { units: ['km', 'm', 'cm', 'mm', 'mi', 'nmi', 'yd', 'in', 'ft'] },
  speed: { units: ['m/s', 'km/h', 'mph', 'kn', 'ft/s', 'm/min', 'mm/s', 'in/s', 'Beaufort'] },
  duration: { units: ['d', 'h', 'min', 's', 'ms', 'μs'] },
  volume_flow_rate: {
    units: ['m³/h', 'm³/min', 'm³/s', 'ft³/min', 'L/h', 'L/min', 'L/s', 'gal/min', 'gal/h', 'gal/d', 'mL/s'],
  },
  data_size: { units: ['bit', 'kbit', 'Mbit', 'Gbit', 'B', 'kB', 'MB', 'GB', 'TB', 'PB', 'KiB', 'MiB', 'GiB', 'TiB'] },
  carbon_dioxide: { units: ['ppm'] },
  volatile_organic_compounds_parts: { units: ['ppb', 'ppm'] },
  pm1: { units: ['μg/m³'] },
  pm25: { units: ['μg/m³'] },
  pm10: { units: ['μg/m³'] },
}
const BINARY_CLASSES = ['connectivity', 'problem']
const STATE_CLASSES = ['measurement', 'measurement_angle', 'total', 'total_increasing']

/** No wildcard, control character or what is no character: stricter than a filter may be, since the bridge writes there. */
const topic = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(65_535),
  v.check((text) => !/[+#\p{Cs}\p{Cc}\p{Noncharacter_Code_Point}]/u.test(text), 'not a topic'),
)
/** Shown to people: one line without characters that hide or turn others. */
const shownText = v.pipe(
  v.string(),
  v.minLength(1),
  v.check((text) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text) && [...text].length <= 64, 'not fit to be shown'),
)

const availability = v.pipe(v.array(v.strictObject({ topic })), v.minLength(1))
const id = v.pipe(v.string(), v.regex(/^[\w-]+$/))
const entity = {
  name: shownText,
  unique_id: id,
  state_topic: topic,
  availability: v.optional(availability),
  entity_category: v.optional(v.literal('diagnostic')),
}
const sensor = v.pipe(
  v.strictObject({
    platform: v.literal('sensor'),
    ...entity,
    device_class: v.optional(v.picklist(Object.keys(SENSOR_CLASSES))),
    state_class: v.optional(v.picklist(STATE_CLASSES)),
    unit_of_measurement: v.optional(shownText),
  }),
  v.check(({ device_class, unit_of_measurement, state_class }) => {
    if (state_class === 'measurement_angle' && unit_of_measurement !== '°') return false
    if (device_class === undefined) return true
    const { units, state = ['measurement'] } = SENSOR_CLASSES[device_class]!
    return units.includes(unit_of_measurement ?? '') && (state_class === undefined || state.includes(state_class))
  }, 'class, unit and state class do not go together'),
)
const binarySensor = v.strictObject({
  platform: v.literal('binary_sensor'),
  ...entity,
  device_class: v.optional(v.picklist(BINARY_CLASSES)),
  payload_on: v.optional(v.string()),
  payload_off: v.optional(v.string()),
})
/** Nothing but the platform: the component is removed. */
const removal = v.strictObject({ platform: v.picklist(['sensor', 'binary_sensor']) })

export const deviceDiscovery = v.pipe(
  v.strictObject({
    device: v.strictObject({
      identifiers: v.pipe(v.array(id), v.minLength(1)),
      name: shownText,
      serial_number: v.string(),
      model: v.optional(shownText),
      sw_version: v.optional(shownText),
      hw_version: v.optional(shownText),
      suggested_area: v.optional(shownText),
    }),
    origin: v.strictObject({ name: v.string(), sw_version: v.string() }),
    availability,
    availability_mode: v.picklist(['all', 'any', 'latest']),
    components: v.record(id, v.union([sensor, binarySensor, removal])),
  }),
  v.check(({ components }) => {
    const ids = Object.values(components).flatMap((component) =>
      'unique_id' in component ? [component.unique_id] : [],
    )
    return new Set(ids).size === ids.length
  }, 'two entities with one id'),
)
export type DeviceDiscovery = v.InferOutput<typeof deviceDiscovery>

/** Topics on which Home Assistant looks for discovery messages of devices. */
export const DISCOVERY_TOPIC = /^homeassistant\/device\/[\w-]+\/config$/

/** @throws if Home Assistant would refuse it, or show what it should not */
export function parseDiscovery(payload: string): DeviceDiscovery {
  return v.parse(deviceDiscovery, JSON.parse(payload))
}
