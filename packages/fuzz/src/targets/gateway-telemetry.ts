import {
  BridgeTopics,
  Counters,
  type Device,
  deviceApi,
  discoveryOf,
  GatewayTime,
  gatewayApi,
  type Limit,
  slugOf,
  stateOf,
  Telemetry,
} from '@usmp/gateway/internal'
import { SimulatedClock } from '@usmp/testing'
import * as v from 'valibot'
import { must, type Target } from '../target.js'

const ID = 'aa:bb:cc:dd:ee:ff'
const MAX_READINGS = 64
const topics = new BridgeTopics('home', 'values', 'homeassistant')
const noStore = { write: async () => {}, read: async () => [], remove: async () => {}, prune: async () => {} }
/** What turns text around, or hides it. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}]/u

type Sample = v.InferOutput<typeof gatewayApi.notifications.telemetry>
type Description = v.InferOutput<typeof deviceApi.requests.describe.result>

/** The messages of a device, a line of JSON each: what it measures, or what it says of itself. */
function messages(input: Uint8Array): unknown[] {
  return Buffer.from(input)
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as unknown]
      } catch {
        return []
      }
    })
}

function deviceOf(readings: Device['readings'], { name = '', firmware, methods = [] }: Description): Device {
  const never = { lastSeenAt: null, firstSeenAt: null, fingerprint: null, knock: null, attempts: null, session: null }
  const plain = { group: null, keySource: null, alarmRules: [], alarms: [], blockedUntil: null, replaced: [] } as const
  const state = { id: ID, rev: 1, state: 'online', since: 1, idleLimit: 60_000 } as const
  return {
    ...never,
    ...plain,
    ...state,
    alarmRules: [],
    alarms: [],
    replaced: [],
    name,
    methods,
    firmware: firmware ?? null,
    readings,
  }
}

/** Nothing of a device stands where Home Assistant would carry it out, or where it would confuse a person. */
function checkDiscovery(device: Device): void {
  const message = discoveryOf(device, topics, '0')
  for (const [id, component] of Object.entries(message.components as Record<string, Record<string, unknown>>)) {
    must(/^[\w-]+$/.test(id), `a component ${id}`)
    for (const [option, value] of Object.entries(component)) {
      must(!option.includes('template'), `${option} of a device`)
      if (typeof value !== 'string') continue
      must(value !== '' && !UNFIT.test(value), `${option} is ${JSON.stringify(value)}`)
      if (option.endsWith('topic')) must(/^[\w/-]+$/.test(value), `the topic ${value}`)
    }
  }
  const { name } = message.device as { name: string }
  must(name !== '' && !UNFIT.test(name), `the name ${JSON.stringify(name)}`)
}

export const gatewayTelemetry: Target = {
  seeds: () =>
    [
      '{"values":{"temperature":21.5,"door":true,"mode":"auto"}}',
      '{"values":{"humidity":40},"age":60000}\n{"values":{"humidity":41}}\n{"values":{"humidity":false}}',
      '{"name":"Kitchen","units":{"temperature":"°C","humidity":"%"},"methods":["ping"]}\n{"values":{"temperature":1,"humidity":2}}',
      '{"firmware":{"product":"Climate","version":"1","chip":"ESP32"},"units":{"pm2.5":"µg/m³"}}\n{"values":{"pm2.5":3}}',
      '{"values":{"__proto__":1,"constructor":2,"a/b#+":3}}',
    ].map((text) => new TextEncoder().encode(text)),
  async run(input) {
    const clock = new SimulatedClock()
    const time = new GatewayTime(clock, () => 1_800_000_000_000 + clock.now())
    const limits = new Counters<Limit>()
    const telemetry = new Telemetry({ store: noStore, time, limits, onReadings: () => {} })
    let description: Description = {}
    for (const message of messages(input)) {
      const sample = v.safeParse(gatewayApi.notifications.telemetry, message)
      if (sample.success) take(telemetry, sample.output, description)
      else {
        const told = v.safeParse(deviceApi.requests.describe.result, message)
        if (told.success) description = told.output
      }
      const readings = telemetry.readings(ID)
      must(Object.keys(readings).length <= MAX_READINGS, 'too many readings')
      checkDiscovery(deviceOf(readings, description))
      for (const [name, { value }] of Object.entries(readings)) {
        must(slugOf(name).length <= 64, 'a long slug')
        must(stateOf(value).length <= 512 && !UNFIT.test(stateOf(value)), 'a state that is not fit to be shown')
        const { at, mean } = await telemetry.series({ id: ID, history: ID }, name, { resolution: 'fine' })
        must(at.length === mean.length, 'columns of different lengths')
      }
      clock.advance(500)
    }
    await telemetry.close()
  },
}

function take(telemetry: Telemetry, sample: Sample, { units = {} }: Description): void {
  telemetry.take({ id: ID, history: ID, units }, sample)
}
