import { type Child, startChild } from '../children/start.js'
import { type BrokerProcess, brokerIsMissing, startBroker } from '../contestants/broker.js'
import type { MqttKind } from '../contestants/mqtt-kinds.js'
import { type Contestant, spread } from '../interleave.js'
import type { Bench } from './bench.js'

const DEVICES = 1_000
/** How long each device says something, s. */
const TALK = 5
/** Devices that make the code hot before anything is counted. */
const WARM_UP = 50
/** Rounds in which each kind has one turn. */
const ROUNDS = 3

const names: Readonly<Record<MqttKind, string>> = {
  'tls-psk': 'MQTT over TLS 1.3, PSK',
  'tls-certificate': 'MQTT over TLS 1.3, certificate',
  usmp: 'USMP over MQTT',
}
const kinds = Object.keys(names) as MqttKind[]

/** What one kind of devices costs. */
interface Figures {
  /** Until all are there, ms. */
  readonly connect: number
  /** Processor time of one that connects, µs. */
  readonly connectCost: number
  /** Of one that is there, bytes. */
  readonly memory: number
  /** Processor time of a message, µs. */
  readonly messageCost: number
}

/** A broker, what takes the messages, and the devices: a process each. */
interface Site {
  readonly broker: BrokerProcess
  readonly gateway: Child
  readonly devices: Child
}

async function withSite<T>(kind: MqttKind, work: (site: Site) => Promise<T>): Promise<T> {
  const broker = await startBroker()
  const gateway = startChild('mqtt-gateway', kind, broker.plain)
  await gateway.ask('ready')
  const devices = startChild('mqtt-devices', kind, broker.urls[kind])
  try {
    return await work({ broker, gateway, devices })
  } finally {
    await devices.end()
    await gateway.end()
    await broker.end()
  }
}

const cpuOf = async ({ broker, gateway }: Site) => Number(await gateway.ask('cpu')) + broker.cpu()

async function residentOf({ broker, gateway }: Site): Promise<number> {
  const { resident } = (await gateway.ask('memory')) as { resident: number }
  return resident + broker.resident()
}

/** Opens devices and waits until a message of each has arrived. */
async function open({ gateway, devices }: Site, count: number): Promise<void> {
  await gateway.ask(`expect ${count}`)
  await devices.ask(`open ${count}`)
  await gateway.ask('arrived')
}

async function measure(site: Site, minimal: boolean): Promise<Figures> {
  const [count, warmUp, talk] = minimal ? [5, 1, 0.2] : [DEVICES, WARM_UP, TALK]
  await open(site, warmUp)
  const resident = await residentOf(site)
  let before = await cpuOf(site)
  const begin = performance.now()
  await open(site, count)
  const connect = performance.now() - begin
  const connectCost = ((await cpuOf(site)) - before) / count
  const memory = ((await residentOf(site)) - resident) / count
  before = await cpuOf(site)
  const sent = Number(await site.devices.ask(`talk ${talk}`))
  return { connect, connectCost, memory, messageCost: ((await cpuOf(site)) - before) / sent }
}

type Run = ReadonlyMap<MqttKind, readonly Figures[]>

async function runAll(minimal: boolean): Promise<Run> {
  const run = new Map<MqttKind, Figures[]>(kinds.map((kind) => [kind, []]))
  for (let round = 0; round < (minimal ? 1 : ROUNDS); round++)
    for (const kind of kinds) run.get(kind)!.push(await withSite(kind, (site) => measure(site, minimal)))
  return run
}

/** Bringing up a site takes long, so all tables are of the same run. */
let shared: Promise<Run> | undefined

function contestantsOf(figure: keyof Figures): Bench['contestants'] {
  return async (_atEnd, minimal) =>
    kinds.map((kind): Contestant => {
      const name = names[kind]
      const measureOne = async () => {
        shared ??= runAll(minimal)
        return spread((await shared).get(kind)!.map((figures) => figures[figure])).median
      }
      return kind === 'tls-psk' ? { name, measure: measureOne } : { name, limit: names['tls-psk'], measure: measureOne }
    })
}

const COMPARED =
  'Each device has a connection of its own to mosquitto. With TLS the broker opens what devices seal, and reads it; with USMP the ' +
  `gateway does, and the broker carries what it cannot read. The median of ${ROUNDS} rounds. `

const common = { rounds: 1, missing: brokerIsMissing } as const

export const mqttBenches: readonly Bench[] = [
  {
    ...common,
    id: 'mqtt-connect',
    title: `${DEVICES.toLocaleString('en')} devices come to a gateway over MQTT`,
    unit: 'ms',
    about: `${COMPARED}50 at a time connect, and send one message; until the last one has arrived at the gateway.`,
    contestants: contestantsOf('connect'),
  },
  {
    ...common,
    id: 'mqtt-connect-cost',
    title: 'Processor time of a device that comes to a gateway over MQTT',
    unit: 'µs',
    about: `${COMPARED}The same devices; what broker and gateway used together, for each.`,
    contestants: contestantsOf('connectCost'),
  },
  {
    ...common,
    id: 'mqtt-memory',
    title: 'Memory of a device that is connected over MQTT',
    unit: 'bytes',
    about: `${COMPARED}Resident, of broker and gateway together, over what they have with ${WARM_UP} devices, for each further one.`,
    contestants: contestantsOf('memory'),
  },
  {
    ...common,
    id: 'mqtt-message-cost',
    title: `Processor time of a message over MQTT, ${DEVICES.toLocaleString('en')} devices`,
    unit: 'µs',
    about:
      `${COMPARED}Every device sends 64 bytes once a second, for ${TALK} s; what broker and gateway used together, by the number of ` +
      'messages. USMP acknowledges each message from end to end, which QoS 0 of MQTT does not. Per second is what one core could do.',
    contestants: contestantsOf('messageCost'),
  },
]
