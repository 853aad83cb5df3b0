import {
  type Abortable,
  assertPsk,
  parseDeviceId,
  type ReconnectOptions,
  reconnecting,
  Session,
  UsmpError,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import {
  authorizationTable,
  checkOptions,
  deviceId,
  group,
  type OptionRule,
  period,
  retryRows,
  sessionRows,
  signal,
  type TableOf,
} from '@usmp/core/options'
import { type ConnectOptions, nodeClock, nodeProvider, nodeRandom, prepareSuite } from '@usmp/node'
import { allowManyListeners } from '@usmp/node/adapters'
import { BrokerConnection } from './broker-connection.js'
import { type BrokerOptions, brokerTable } from './broker-options.js'
import { type DeviceTransport, deviceTransport } from './device-transport.js'
import { decodePresence } from './presence.js'
import { RetrySchedule } from './retry-schedule.js'
import { type SiteTopics, topicId, topicName, topicsOf } from './topics.js'

/** How long a session that may be gone has for the answer to a ping, ms. */
const DOUBT_TIMEOUT = 5_000
/** The longest pause after a refusal, ms: a device that waits for its approval should not wait long after it. */
const LONGEST_REFUSAL_PAUSE = 30_000

/** Options of {@link connectMqtt}. */
export interface MqttConnectOptions
  extends Omit<ConnectOptions, 'connectTimeout' | 'ca' | 'cert' | 'key' | 'pin' | 'unsafeWireVersion1'>,
    Abortable {
  /** How the broker is reached; or a connection that exists, which may carry any number of devices and stays open. */
  readonly broker: BrokerOptions | BrokerConnection
  /** As the gateway has it. */
  readonly site: string
}

/** Options of {@link mqttSessions}. */
export interface MqttSessionsOptions extends MqttConnectOptions {
  /** Called before each pause with the reason and its length in ms; what the gateway says may shorten or prolong it. */
  readonly onRetry?: ReconnectOptions['onRetry']
  /** Refusals in a row that are the end; default: none is. */
  readonly maxRefusals?: number
  /** The longest pause after a refusal, ms; default 30000. Shorter for a device whose approval somebody waits for. */
  readonly longestRefusalPause?: number
}

const broker: OptionRule = {
  expected: 'options of a broker, or a BrokerConnection',
  fits: (value) => value instanceof BrokerConnection || (typeof value === 'object' && value !== null),
  required: true,
}
const brokerGroup: OptionRule = { ...group(brokerTable), required: true }

/** Of {@link connectMqtt}; a connection that exists has no options to look into. */
export function tableFor(options: MqttConnectOptions): TableOf<MqttConnectOptions> {
  const given = options?.broker instanceof BrokerConnection ? broker : brokerGroup
  return {
    broker: given,
    site: { ...topicName, required: true },
    deviceId,
    ...authorizationTable,
    ...sessionRows,
    signal,
  }
}

/** Of {@link mqttSessions}. */
export function sessionsTableFor(options: MqttConnectOptions): TableOf<MqttSessionsOptions> {
  return { ...tableFor(options), ...retryRows, longestRefusalPause: period }
}

/**
 * Connects a device to its gateway over an MQTT broker: one attempt. With options for the broker, the MQTT connection belongs to the
 * session and ends with it.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK; UNREACHABLE, UNTRUSTED_CERTIFICATE, BROKER_REFUSED of the broker; HANDSHAKE_TIMEOUT: a
 * gateway answers nothing to a device whose key is wrong or that it does not know; ABORTED
 */
export async function connectMqtt(options: MqttConnectOptions): Promise<Session> {
  checkOptions('connectMqtt', options, tableFor(options))
  const device = await prepare(options)
  try {
    const session = await device.connect()
    void session.closed.then(() => device.close())
    return session
  } catch (error) {
    await device.close()
    throw error
  }
}

/**
 * Sessions of a device over an MQTT broker, one after another, for ever: see `sessions` of `@usmp/node`. Pauses are 30 s at most. The
 * device tries at once when its gateway tells it to, or comes back; and checks its session when the gateway has restarted. A device that
 * waits for its approval goes on trying.
 * @throws UsmpError where repeating is useless: wrong usage, a failure of the platform, or the last of `maxRefusals` refusals
 */
export function mqttSessions(options: MqttSessionsOptions): AsyncGenerator<Session, void, undefined> {
  checkOptions('mqttSessions', options, sessionsTableFor(options))
  return run(options)
}

async function* run({
  onRetry,
  maxRefusals,
  longestRefusalPause = LONGEST_REFUSAL_PAUSE,
  ...options
}: MqttSessionsOptions): AsyncGenerator<Session, void, undefined> {
  const device = await prepare(options)
  const { signal } = options
  const schedule = new RetrySchedule({
    clock: nodeClock,
    random: Math.random,
    onDoubt: () => void device.checkSession(schedule),
  })
  const forget = device.follow(schedule)
  try {
    yield* reconnecting(() => device.connect(schedule), {
      clock: nodeClock,
      jitter: Math.random,
      longestRefusalPause,
      sleep: (pause) => schedule.wait(pause, signal),
      signal,
      ...(onRetry ? { onRetry } : {}),
      ...(maxRefusals === undefined ? {} : { maxRefusals }),
    })
  } finally {
    forget()
    await device.close()
  }
}

async function prepare(options: MqttConnectOptions): Promise<Device> {
  allowManyListeners(options.signal)
  assertPsk(options.psk, options.allowWeakPsk)
  const id = topicId(parseDeviceId(options.deviceId))
  if (!options.provider) await prepareSuite(options.suite)
  return new Device(options, id)
}

/** A device at a broker: its topics, the connection to the broker, and the session that it may have. */
class Device {
  readonly #options: MqttConnectOptions
  readonly #id: string
  readonly #topics: SiteTopics
  readonly #broker: BrokerConnection
  readonly #ownsBroker: boolean
  #transport: DeviceTransport | undefined
  #session: Session | undefined

  constructor(options: MqttConnectOptions, id: string) {
    const { broker, site } = options
    this.#options = options
    this.#id = id
    this.#topics = topicsOf(site)
    this.#ownsBroker = !(broker instanceof BrokerConnection)
    this.#broker =
      broker instanceof BrokerConnection
        ? broker
        : new BrokerConnection(broker, { name: id, will: { topic: this.#topics.will(id), payload: '', retain: false } })
  }

  async connect(schedule?: RetrySchedule): Promise<Session> {
    const { broker, site, signal, ...options } = this.#options
    schedule?.attempt()
    await this.#broker.connected(signal)
    const transport = deviceTransport(this.#broker, this.#topics, this.#id)
    try {
      const session = await Session.connect(transport, {
        ...options,
        signal,
        deviceId: parseDeviceId(options.deviceId),
        reliableDatagram: ReliableDatagram,
        provider: options.provider ?? nodeProvider,
        random: nodeRandom,
        clock: nodeClock,
      })
      this.#transport = transport
      this.#session = session
      schedule?.established()
      return session
    } catch (error) {
      transport.abort()
      throw error
    }
  }

  /** Lets what the broker and the gateways say decide when to try. Returns what ends that. */
  follow(schedule: RetrySchedule): () => void {
    const topics = this.#topics
    const subscriptions = [
      this.#broker.subscribe(topics.down(this.#id), ({ payload, retained }) => {
        if (payload.length === 0 && !retained) schedule.hint()
      }),
      this.#broker.subscribe(
        topics.allPresences,
        ({ topic, payload }) => {
          const presence = decodePresence(payload)
          if (presence) schedule.presence(topics.nodeOf(topic), presence)
        },
        { retained: true },
      ),
      this.#broker.watch(({ state }) => {
        if (state === 'connected') schedule.brokerIsBack()
      }),
    ]
    return () => {
      for (const end of subscriptions) end()
    }
  }

  /** Ends a session that does not answer: its gateway has restarted and does not know it any more. */
  async checkSession(schedule: RetrySchedule): Promise<void> {
    const [session, transport] = [this.#session, this.#transport]
    try {
      await session?.ping({ signal: AbortSignal.timeout(DOUBT_TIMEOUT) })
    } catch {
      if (session?.signal.aborted) return
      schedule.lostToRestart()
      transport?.destroy(new UsmpError('TRANSPORT_FAILED', 'the gateway has restarted and does not answer'))
    }
  }

  async close(): Promise<void> {
    this.#transport?.abort()
    if (this.#ownsBroker) await this.#broker.close()
  }
}
