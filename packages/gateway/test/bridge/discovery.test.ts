import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { discoveryOf, MAX_ENTITIES, stateOf } from '../../src/bridge/discovery.js'
import { cleanText, slugOf } from '../../src/bridge/names.js'
import { BridgeTopics } from '../../src/bridge/topics.js'
import type { Device } from '../../src/contract/device.js'
import { deviceOf, reading } from './devices.js'
import { DISCOVERY_TOPIC, parseDiscovery } from './discovery-schema.js'

const topics = new BridgeTopics('home', 'usmp-home', 'homeassistant')
const ID = '24:6f:28:00:00:01'

const discover = (device: Device) => parseDiscovery(JSON.stringify(discoveryOf(device, topics, '0.1.0')))

test('a sensor with name, firmware and readings', () => {
  const device = deviceOf(ID, {
    name: 'Greenhouse',
    group: 'Garden',
    firmware: { product: 'Climate', version: '1.2.0', chip: 'ESP32-C3' },
    readings: { temperature: reading(21.5, '°C'), door: reading(true), mode: reading('auto') },
  })
  const { device: info, components } = discover(device)
  expect(info).toEqual({
    identifiers: ['usmp_home_246f28000001'],
    name: 'Greenhouse',
    serial_number: ID,
    model: 'Climate',
    sw_version: '1.2.0',
    hw_version: 'ESP32-C3',
    suggested_area: 'Garden',
  })
  expect(components.sensor_temperature).toEqual({
    platform: 'sensor',
    name: 'temperature',
    unique_id: 'usmp_home_246f28000001_reading_temperature',
    state_topic: 'usmp-home/home/device/246f28000001/reading/temperature',
    device_class: 'temperature',
    state_class: 'measurement',
    unit_of_measurement: '°C',
  })
  expect(components.binary_sensor_door).toMatchObject({ platform: 'binary_sensor', name: 'door' })
  expect(components.sensor_mode).not.toHaveProperty('state_class')
  expect(components.connectivity).toMatchObject({ device_class: 'connectivity', payload_on: 'online' })
})

test('a reading that becomes a yes or no removes the sensor that it was', () => {
  const { components } = discover(deviceOf(ID, { readings: { level: reading(false) } }))
  expect(components.sensor_level).toEqual({ platform: 'sensor' })
})

test('new hardware keeps the entities of the first', () => {
  const before = discover(deviceOf(ID, { readings: { t: reading(1) } }))
  const after = discover(deviceOf('24:6f:28:00:00:02', { replaced: [ID], readings: { t: reading(1) } }))
  expect(after.components).toEqual(before.components)
  expect(after.device.identifiers).toEqual(before.device.identifiers)
  expect(after.device.serial_number).toBe('24:6f:28:00:00:02')
})

describe('what a number means', () => {
  const cases: [name: string, unit: string | null, deviceClass: string | undefined, unitAfter: string | undefined][] = [
    ['t', 'C', 'temperature', '°C'],
    ['humidity', '%', 'humidity', '%'],
    ['battery', '%', 'battery', '%'],
    ['load', '%', undefined, '%'],
    ['co2', 'ppm', 'carbon_dioxide', 'ppm'],
    ['salt', 'ppm', undefined, 'ppm'],
    ['pm2.5', 'µg/m³', 'pm25', 'μg/m³'],
    ['pm10', 'ug/m3', 'pm10', 'μg/m³'],
    ['rssi', 'dBm', 'signal_strength', 'dBm'],
    ['count', null, undefined, undefined],
    ['count', 'apples', undefined, 'apples'],
  ]
  test.each(cases)('%s in %s', (name, unit, deviceClass, unitAfter) => {
    const { components } = discover(deviceOf(ID, { readings: { [name]: reading(1, unit) } }))
    const sensor = components[`sensor_${slugOf(name)}`]
    expect(sensor).toMatchObject({ state_class: 'measurement' })
    expect(sensor).toHaveProperty('platform', 'sensor')
    expect('device_class' in sensor! ? sensor.device_class : undefined).toBe(deviceClass)
    expect('unit_of_measurement' in sensor! ? sensor.unit_of_measurement : undefined).toBe(unitAfter)
  })

  test('energy counts up', () => {
    const { components } = discover(deviceOf(ID, { readings: { meter: reading(1, 'kWh') } }))
    expect(components.sensor_meter).toMatchObject({ device_class: 'energy', state_class: 'total_increasing' })
  })
})

const hostile = (max: number) =>
  fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: max }),
    fc.constantFrom(
      '{{ states.x }}',
      '<b>',
      '../#',
      '+',
      'a/b',
      '\u202eevil',
      '\0',
      '\ud800',
      'constructor',
      '__proto__',
    ),
  )
const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), hostile(256))
const unit = fc.option(fc.oneof(hostile(16), fc.constantFrom('°C', '%', 'kWh', 'µg/m³', 'm', 'toString')))
const anyDevice = fc
  .record({
    name: fc.oneof(fc.constant(''), hostile(64)),
    group: fc.option(hostile(64)),
    firmware: fc.option(fc.record({ product: hostile(64), version: hostile(64), chip: fc.option(hostile(32)) })),
    readings: fc.dictionary(hostile(64), fc.record({ value, at: fc.nat(), unit }), { maxKeys: 6 }),
  })
  .map((changes) => deviceOf(ID, changes))

test('whatever a device is called and says, Home Assistant takes the message and shows plain text', () => {
  fc.assert(
    fc.property(anyDevice, (device) => {
      const { components } = discover(device)
      expect(JSON.stringify(components)).not.toContain('_template')
      for (const { value } of Object.values(device.readings)) {
        const state = stateOf(value)
        expect(state.length).toBeLessThanOrEqual(2 * 255)
        if (typeof value === 'number') expect(Number(state)).toBe(value === 0 ? 0 : value)
      }
    }),
    { numRuns: 300 },
  )
})

test('names that differ stay different, and are safe in a topic', () => {
  fc.assert(
    fc.property(hostile(64), hostile(64), (one, other) => {
      expect(slugOf(one)).toMatch(/^[\w-]{1,64}$/)
      expect(slugOf(one) === slugOf(other)).toBe(one === other)
      expect(cleanText(one)).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }),
  )
  expect(slugOf('a.b')).not.toBe(slugOf('a_b'))
  expect(topics.config(ID)).toMatch(DISCOVERY_TOPIC)
})

test('a site of any name is one level of a topic', () => {
  const odd = new BridgeTopics('my home/#', 'usmp-home', 'homeassistant')
  expect(odd.config(ID)).toMatch(DISCOVERY_TOPIC)
  expect(odd.ownerOf(odd.config(ID))).toBe('246f28000001')
  expect(odd.ownerOf(odd.reading(ID, 't'))).toBe('246f28000001')
  expect(odd.ownerOf(topics.config(ID))).toBeUndefined()
  expect(odd.ownerOf(odd.gateway)).toBeUndefined()
})

test('a device with too many readings is bounded', () => {
  const names = Array.from({ length: 500 }, (_, i) => [`r${i}`, reading(i)])
  const { components } = discover(deviceOf(ID, { readings: Object.fromEntries(names) }))
  expect(Object.keys(components)).toHaveLength(2 + 2 * MAX_ENTITIES)
})
