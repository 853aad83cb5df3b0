import { randomBytes } from 'node:crypto'
import { connect, type MqttClient } from 'mqtt'
import type { Operations } from '../operations.js'
import { DevicePublisher } from './device-publisher.js'
import {
  checkBridgeOptions,
  DEFAULT_DISCOVERY_PREFIX,
  DEFAULT_PREFIX,
  type HomeAssistantBridgeOptions,
} from './options.js'
import { Outbox } from './outbox.js'
import { BridgeTopics } from './topics.js'

/** Between two attempts to reach the broker, ms. */
const RECONNECT_PAUSE = 1_000

/** The way to the broker of the home. */
export interface BridgeState {
  readonly connected: boolean
  /** Why not, for people. */
  readonly reason: string | null
}

/**
 * Tells Home Assistant what devices say, over a broker of the home, by MQTT discovery. It only reads the gateway: nothing that comes
 * from the broker reaches a device.
 *
 * It follows `Operations.live`, so what it tells is what the page shows. All it writes is retained. A device that is gone is
 * removed, also one that went while the bridge did not run. When the gateway dies, the broker marks everything as unavailable.
 */
export class HomeAssistantBridge {
  readonly #topics: BridgeTopics
  readonly #client: MqttClient
  readonly #outbox: Outbox
  readonly #publisher: DevicePublisher
  readonly #stop = new AbortController()
  readonly #following: Promise<void>
  readonly #onState: (state: BridgeState) => void
  #state: BridgeState = { connected: false, reason: 'not reached yet' }
  #hasSnapshot = false

  /**
   * Begins at once, and tries again as long as the broker cannot be reached.
   * @param onState told when the broker is reached, and why it is not
   * @throws GatewayError INVALID for options that cannot work, or a broker that is not private
   */
  constructor(
    operations: Operations,
    options: HomeAssistantBridgeOptions,
    onState: (state: BridgeState) => void = () => {},
  ) {
    checkBridgeOptions(options)
    const { discoveryPrefix = DEFAULT_DISCOVERY_PREFIX, prefix = DEFAULT_PREFIX } = options
    const { site, version } = operations.system()
    this.#onState = onState
    this.#topics = new BridgeTopics(site, prefix, discoveryPrefix)
    this.#client = this.#connect(options)
    this.#outbox = new Outbox(this.#client)
    this.#publisher = new DevicePublisher(this.#topics, version, (topic, payload) => this.#outbox.put(topic, payload))
    this.#following = this.#follow(operations).catch((error) => this.#onFault(error))
  }

  get state(): BridgeState {
    return this.#state
  }

  /** Marks everything as unavailable and ends. */
  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    await this.#following
    this.#publisher.close()
    this.#outbox.clear()
    this.#outbox.put(this.#topics.gateway, 'offline')
    await this.#outbox.flushed()
    await this.#client.endAsync()
  }

  #connect({ broker: { url, ...credentials } }: HomeAssistantBridgeOptions): MqttClient {
    const client = connect(`${url}`, {
      ...(credentials as object),
      clientId: `usmp-home-${randomBytes(4).toString('hex')}`,
      reconnectPeriod: RECONNECT_PAUSE,
      reconnectOnConnackError: true,
      // What is meant for a broker that is away would come late: all is told again when it is back.
      queueQoSZero: false,
      resubscribe: false,
      will: { topic: this.#topics.gateway, payload: Buffer.from('offline'), qos: 0, retain: true },
    })
    client.on('connect', () => this.#onConnect())
    client.on('close', () =>
      this.#setState({ connected: false, reason: this.#state.reason ?? 'the connection was closed' }),
    )
    client.on('error', ({ message }) => this.#setState({ connected: false, reason: message || 'no connection' }))
    client.on('message', (topic, payload, { retain }) => this.#onMessage(topic, payload, retain))
    return client
  }

  async #follow(operations: Operations): Promise<void> {
    for await (const message of operations.live(this.#stop.signal)) {
      this.#publisher.apply(message)
      if (message.type !== 'snapshot' || this.#hasSnapshot) continue
      this.#hasSnapshot = true
      this.#begin()
    }
  }

  /** Without the gateway there is nothing true to tell. */
  #onFault(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#hasSnapshot = false
    this.#outbox.put(this.#topics.gateway, 'offline')
    this.#setState({ connected: this.#state.connected, reason: `devices are not told any more: ${error}` })
  }

  #setState(state: BridgeState): void {
    if (state.connected === this.#state.connected && state.reason === this.#state.reason) return
    this.#state = state
    this.#onState(state)
  }

  #onConnect(): void {
    this.#setState({ connected: true, reason: null })
    this.#outbox.clear()
    this.#begin()
  }

  /** Once the devices are known and the broker is there: what an earlier run has left can then be told from what still holds. */
  #begin(): void {
    if (!this.#hasSnapshot || !this.#client.connected) return
    this.#outbox.put(this.#topics.gateway, 'online')
    this.#publisher.tellAll()
    // A broker that refuses the subscription still takes what is published.
    this.#client.subscribe([this.#topics.birth, ...this.#topics.own], { qos: 0 }, () => {})
  }

  #onMessage(topic: string, payload: Buffer, retained: boolean): void {
    if (topic === this.#topics.birth) {
      if (!retained && payload.toString() === 'online') this.#publisher.tellAll()
      return
    }
    const owner = retained && payload.length > 0 ? this.#topics.ownerOf(topic) : undefined
    if (owner !== undefined && !this.#publisher.shows(owner)) this.#outbox.put(topic, '')
  }
}
