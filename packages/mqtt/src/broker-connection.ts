import { UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { type MqttClient, connect as mqttConnect } from 'mqtt'
import { brokerError, closedEarly, connectionLost, subscriptionRefused } from './broker-error.js'
import { type BrokerOptions, brokerTable, brokerUrl } from './broker-options.js'
import { asBuffer, clientOptions, MAX_PACKET } from './client-options.js'
import { limitPackets } from './packet-limit.js'

/** First and longest pause before the broker is tried again, ms; each is drawn from half of it to all of it. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 5_000
/** Bytes that wait for a broker that reads slowly; above it messages are dropped, as a full network does with datagrams. */
const MAX_WAITING = 1024 * 1024
/** Retained topics that are remembered for handlers that come later. */
const MAX_LATEST = 16
/** Topics in one SUBSCRIBE. */
const BATCH = 100
/** Until a connection that closes is cut off, ms. */
const CLOSE_TIMEOUT = 1_000

/** How the connection to the broker is. */
export interface BrokerState {
  readonly state: 'connecting' | 'connected' | 'failed' | 'closed'
  /** Since when the broker is reached, or is not, through all tries of one outage; ms since 1970. */
  readonly since: number
  /** Of `failed`: what went wrong last. */
  readonly reason: UsmpError | undefined
  /** Of `failed`: when the broker is tried again, ms since 1970. */
  readonly nextTryAt: number | undefined
}

/** What arrives on a topic. */
export interface BrokerMessage {
  readonly topic: string
  readonly payload: Uint8Array
  /** It was kept by the broker from before, so nobody need have sent it now. */
  readonly retained: boolean
}

export type BrokerHandler = (message: BrokerMessage) => void

/** What {@link BrokerConnection} takes besides {@link BrokerOptions}. */
export interface ConnectionExtras {
  /** Goes into the client id. */
  readonly name: string
  /** Published by the broker when this connection breaks. */
  readonly will?: { readonly topic: string; readonly payload: string; readonly retain: boolean }
}

/**
 * One MQTT connection, kept up for ever: for one device, for a gateway, or for many simulated devices, which get it as `broker`. It owns
 * the client of the library `mqtt`, what is subscribed, and the pauses between attempts. Who makes one closes it.
 *
 * `subscribe` and `publish` may be called in any state; what is published without a connection is dropped, and what is subscribed
 * is subscribed again by each connection. What must not happen: that anything waits in a queue for a broker that is away, as it
 * would come too late.
 */
export class BrokerConnection {
  readonly url: URL
  readonly #client: MqttClient
  readonly #handlers = new Map<string, Set<BrokerHandler>>()
  /** Those of `#handlers` with a wildcard. */
  readonly #patterns = new Map<string, RegExp>()
  /** The last message of each topic, for those of `#handlers` that come later. */
  readonly #latest = new Map<string, Map<string, BrokerMessage>>()
  readonly #watchers = new Set<(state: BrokerState) => void>()
  #state: BrokerState = { state: 'connecting', since: Date.now(), reason: undefined, nextTryAt: undefined }
  /** What ended the attempt or connection that there is. */
  #fault: UsmpError | undefined
  #failures = 0
  #dropped = 0
  #tooLong = 0
  #closed = false

  /** @throws UsmpError INVALID_ARGUMENT */
  constructor(options: BrokerOptions, { name, will }: ConnectionExtras) {
    checkOptions('the broker', options, brokerTable)
    this.url = brokerUrl(options)
    this.#client = mqttConnect({
      ...clientOptions(options, this.url, name),
      ...(will ? { will: { ...will, payload: Buffer.from(will.payload), qos: 0 } } : {}),
    })
    this.#client.options.reconnectPeriod = this.#nextPause()
    this.#watchClient()
  }

  get state(): BrokerState {
    return this.#state
  }

  /** Messages that were not sent, as the broker was away or read too slowly. */
  get dropped(): number {
    return this.#dropped
  }

  /** Packets that came and were left out, as no packet of USMP is so long. */
  get tooLong(): number {
    return this.#tooLong
  }

  /** Calls `watcher` with each new state. Returns what ends that. */
  watch(watcher: (state: BrokerState) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /**
   * Resolves when it is connected and all is subscribed; at once if it is.
   * @throws UsmpError why the first attempt that ends meanwhile failed; NOT_CONNECTED after `close`; ABORTED
   */
  connected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (state: BrokerState) => {
        if (signal?.aborted) fail(new UsmpError('ABORTED', undefined, { cause: signal.reason }))
        else if (state.state === 'connected') done(resolve)
        else if (state.state === 'failed') fail(state.reason!)
        else if (state.state === 'closed')
          fail(new UsmpError('NOT_CONNECTED', 'the connection to the broker was closed'))
      }
      const onAbort = () => settle(this.#state)
      const forget = this.watch(settle)
      const done = (then: () => void) => {
        forget()
        signal?.removeEventListener('abort', onAbort)
        then()
      }
      const fail = (error: UsmpError) => done(() => reject(error))
      signal?.addEventListener('abort', onAbort)
      settle(this.#state)
    })
  }

  /**
   * Calls `handler` with what comes on a topic, which may have the wildcard `+` in it. Returns what ends that.
   * @param retained the topic has retained messages, which count for each handler: one that is not the first gets the last ones again
   */
  subscribe(topic: string, handler: BrokerHandler, { retained = false } = {}): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set()
    handlers.add(handler)
    if (handlers.size === 1) {
      this.#handlers.set(topic, handlers)
      if (topic.includes('+')) this.#patterns.set(topic, patternOf(topic))
      if (retained) this.#latest.set(topic, new Map())
      if (this.#client.connected) void this.#subscribeAll([topic])
    } else {
      for (const message of this.#latest.get(topic)?.values() ?? []) handler(message)
    }
    return () => {
      if (!handlers.delete(handler) || handlers.size > 0) return
      this.#handlers.delete(topic)
      this.#patterns.delete(topic)
      this.#latest.delete(topic)
      if (this.#client.connected) this.#client.unsubscribe(topic, () => {})
    }
  }

  /** Sends with QoS 0, or drops it if that cannot be done now. */
  publish(topic: string, payload: Uint8Array, { retain = false }: { readonly retain?: boolean } = {}): void {
    if (!this.#client.connected || this.#client.stream.writableLength > MAX_WAITING) {
      this.#dropped++
      return
    }
    this.#client.publish(topic, asBuffer(payload), { qos: 0, retain }, () => {})
  }

  /** Says goodbye to the broker, so that no will is published; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const cutOff = setTimeout(() => this.#client.end(true), CLOSE_TIMEOUT)
    await new Promise<void>((resolve) => this.#client.end(!this.#client.connected, {}, () => resolve()))
    clearTimeout(cutOff)
    this.#setState('closed')
  }

  #watchClient(): void {
    const client = this.#client
    this.#watchStream()
    client.on('connect', () => void this.#onConnect())
    client.on('error', (error) => this.#noteFault(error))
    client.on('close', () => this.#onClose())
    client.on('reconnect', () => {
      client.options.reconnectPeriod = this.#nextPause()
      // The library makes the new stream right after this event.
      process.nextTick(() => this.#watchStream())
      this.#setState('connecting')
    })
    client.on('message', (topic, payload, { retain }) => this.#onMessage({ topic, payload, retained: retain }))
  }

  #watchStream(): void {
    const stream = this.#client.stream as MqttClient['stream'] & { setNoDelay?: (on: boolean) => void }
    // The library knows some errors only and hides the others.
    stream.on('error', (error) => this.#noteFault(error))
    // With MQTT 3.1.1 the broker cannot be told.
    limitPackets(stream, MAX_PACKET, () => this.#tooLong++)
    // An acknowledgement and a message are two packets; Nagle's algorithm would let one wait for the other, 40 ms and more.
    stream.setNoDelay?.(true)
  }

  #noteFault(error: unknown): void {
    this.#fault ??= this.#isUp ? connectionLost(this.url, error) : brokerError(this.url, error)
  }

  get #isUp(): boolean {
    return this.#state.state === 'connected'
  }

  async #onConnect(): Promise<void> {
    this.#fault = undefined
    if (!(await this.#subscribeAll([...this.#handlers.keys()]))) return
    this.#failures = 0
    this.#client.options.reconnectPeriod = this.#nextPause()
    this.#setState('connected')
  }

  #onClose(): void {
    if (this.#closed) return
    const reason = this.#fault ?? (this.#isUp ? connectionLost(this.url) : closedEarly(this.url))
    this.#fault = undefined
    this.#failures++
    this.#setState('failed', reason, Date.now() + this.#client.options.reconnectPeriod!)
  }

  /** @returns whether the broker took all of them; if not, this connection is over */
  async #subscribeAll(topics: readonly string[]): Promise<boolean> {
    const client = this.#client
    const { stream } = client
    try {
      for (let i = 0; i < topics.length; i += BATCH) {
        await client.subscribeAsync(topics.slice(i, i + BATCH), { qos: 0, nl: true })
      }
      return client.connected
    } catch (error) {
      const refused = refusedTopic(error, topics)
      if (refused) this.#fault = subscriptionRefused(this.url, refused, error)
      stream.destroy()
      return false
    }
  }

  #onMessage(message: BrokerMessage): void {
    const { topic } = message
    this.#deliver(topic, message)
    for (const [filter, pattern] of this.#patterns) if (pattern.test(topic)) this.#deliver(filter, message)
  }

  #deliver(filter: string, message: BrokerMessage): void {
    const latest = this.#latest.get(filter)
    if (latest) remember(latest, message)
    for (const handler of [...(this.#handlers.get(filter) ?? [])]) handler(message)
  }

  #nextPause(): number {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#failures, 16))
    return Math.round(pause * (0.5 + Math.random() / 2))
  }

  #setState(state: BrokerState['state'], reason?: UsmpError, nextTryAt?: number): void {
    if (this.#state.state === 'closed') return
    const staysAway = state !== 'connected' && state !== 'closed' && !this.#isUp
    this.#state = { state, since: staysAway ? this.#state.since : Date.now(), reason, nextTryAt }
    for (const watcher of [...this.#watchers]) watcher(this.#state)
  }
}

/** The topic that the broker did not grant; undefined if it ended the connection before it answered. */
function refusedTopic(error: unknown, topics: readonly string[]): string | undefined {
  const granted = (error as { readonly packet?: { readonly granted?: readonly number[] } }).packet?.granted
  const index = granted?.findIndex((code) => code >= 128) ?? -1
  if (index < 0) return undefined
  return topics.length <= BATCH ? topics[index] : 'one of its topics'
}

/** Of the topics that came last, so many: anybody who may publish can make up others. */
function remember(latest: Map<string, BrokerMessage>, message: BrokerMessage): void {
  latest.delete(message.topic)
  latest.set(message.topic, { ...message, payload: new Uint8Array(message.payload) })
  if (latest.size > MAX_LATEST) latest.delete([...latest.keys()][0]!)
}

function patternOf(filter: string): RegExp {
  return new RegExp(`^${filter.replaceAll('+', '[^/]*')}$`)
}
