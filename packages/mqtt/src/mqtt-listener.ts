import { type ErrorCode, formatDeviceId, parseDeviceId, toHex, UsmpError } from '@usmp/core'
import { decodeHello } from '@usmp/core/datagram'
import { callback, checkOptions, group, type OptionRule, type TableOf } from '@usmp/core/options'
import { nodeClock, nodeRandom, type Server } from '@usmp/node'
import { DatagramDemultiplexer, type DatagramPeer, type Rate, RateLimit } from '@usmp/node/adapters'
import { BrokerConnection, type BrokerMessage, type BrokerState } from './broker-connection.js'
import { type BrokerOptions, brokerTable } from './broker-options.js'
import { HandshakeBudget } from './handshake-budget.js'
import { encodePresence } from './presence.js'
import { RecentIds } from './recent-ids.js'
import { idBytes, type SiteTopics, topicId, topicName, topicsOf } from './topics.js'

/** Bytes of the longest frame; whatever is longer is none. */
const MAX_DATAGRAM = 492
/** Wills and hints of one device, and of all: a broker that ends takes all connections along. */
const ONE_A_SECOND: Rate = { burst: 1, perSecond: 1 }
const ALL_DEVICES: Rate = { burst: 5_000, perSecond: 1_000 }
/** Until sessions that are left when the listener closes are cut off, ms. */
const CLOSE_TIMEOUT = 1_000
const EMPTY = new Uint8Array()

/** Why a message of the broker was dropped before it reached a handshake or session, besides the faults of a frame. */
export type MqttDrop = 'RETAINED' | 'BAD_TOPIC' | 'TOO_LONG' | 'OTHER_ID'

/** Options of {@link listenMqtt}. */
export interface MqttListenOptions {
  readonly broker: BrokerOptions
  /** Names the place where gateway and devices meet: 1 to 32 letters, digits, - and _. Keep it short: it goes with every frame. */
  readonly site: string
  /** Names this gateway among those of the site; default `main`. */
  readonly node?: string
  /**
   * Whether a device id has a key here, as `aa:bb:cc:dd:ee:ff`; default: every id has. Ids without one share one budget and one
   * address for all limits of the server, so that a flood of made-up ids takes nothing from devices. During such a flood ids with
   * a key still get an answer and others do not, which tells them apart: answer false for those that were not seen for long, if that
   * matters. Called for each HELLO; it must be fast.
   */
  readonly isKnown?: (deviceId: string) => boolean
  /**
   * The MQTT connection of a device may have broken: a hint that anybody may send, at most one a second for each device. Ask the
   * device by a ping; its session lives on if it answers.
   */
  readonly onWill?: (deviceId: string) => void
  /** Told of each change of the way to the broker. */
  readonly onStateChange?: (state: BrokerState) => void
}

const server: OptionRule = {
  expected: 'a Server of @usmp/node',
  fits: (value) => typeof value === 'object' && value !== null,
}
/** Of {@link listenMqtt}. */
export const listenTable: TableOf<MqttListenOptions> = {
  broker: { ...group(brokerTable), required: true },
  site: { ...topicName, required: true },
  node: topicName,
  isKnown: callback,
  onWill: callback,
  onStateChange: callback,
}

/**
 * Takes devices in over an MQTT broker. It keeps trying for ever to reach the broker, so it returns at once: see {@link MqttListener.state}.
 * @param server gets the devices as any other connection; close it before the listener, so that the sessions say BYE
 * @throws UsmpError INVALID_ARGUMENT
 */
export function listenMqtt(server: Pick<Server, 'accept'>, options: MqttListenOptions): MqttListener {
  return new MqttListener(server, options)
}

/** Where a datagram came from: a device id in a topic, which anybody who may publish can write. */
interface Source {
  readonly id: string
  known: boolean
}

/**
 * The gateway's end of USMP over MQTT: one connection to the broker for all devices of a site. It routes by the id in the topic, which
 * selects a place and never a right: who a device is, the handshake proves.
 *
 * It owns the connection to the broker, the budget of handshakes and the presence of this gateway. The sessions are the server's. What
 * must not happen: that what anybody publishes ends a session, or that anything grows with the number of made-up ids.
 */
export class MqttListener {
  /** 8 hex digits, new for each listener: devices learn by it that sessions of an earlier one are gone. */
  readonly boot = toHex(nodeRandom(4))
  readonly #server: Pick<Server, 'accept'>
  readonly #options: MqttListenOptions
  readonly #topics: SiteTopics
  readonly #presence: string
  readonly #broker: BrokerConnection
  readonly #demultiplexer: DatagramDemultiplexer<Source>
  readonly #budget = new HandshakeBudget(nodeClock.now)
  readonly #wills = new RateLimit(ONE_A_SECOND, ALL_DEVICES, nodeClock.now())
  readonly #hints = new RateLimit(ONE_A_SECOND, ALL_DEVICES, nodeClock.now())
  readonly #drops = new Map<MqttDrop, number>()
  readonly #unknown = new RecentIds()
  /** Counts in the shared address of unknown ids, so that a new one begins without what the lockout remembers of the old one. */
  #invitation = 0
  #closing: Promise<void> | undefined

  /** See {@link listenMqtt}. */
  constructor(target: Pick<Server, 'accept'>, options: MqttListenOptions) {
    checkOptions('listenMqtt', options, listenTable)
    if (!server.fits(target)) throw new UsmpError('INVALID_ARGUMENT', `the server must be ${server.expected}`)
    const { site, node = 'main', broker, onStateChange } = options
    this.#server = target
    this.#options = options
    this.#topics = topicsOf(site)
    this.#presence = this.#topics.presence(node)
    this.#demultiplexer = new DatagramDemultiplexer<Source>({
      validateHello: (datagram, source) => this.#validateHello(datagram, source),
      mayBegin: (source) => this.#budget.take(source.id, source.known),
      send: (datagram, { id }) => this.#broker.publish(this.#topics.down(id), datagram),
      onPeer: (peer, source) => this.#onPeer(peer, source),
    })
    this.#broker = new BrokerConnection(broker, {
      name: `gw-${node}`,
      will: { topic: this.#presence, payload: encodePresence({ up: false, boot: undefined }), retain: true },
    })
    this.#broker.watch(({ state }) => {
      if (state === 'connected') this.#announce(true)
    })
    if (onStateChange) this.#broker.watch((state) => safely('onStateChange', () => onStateChange(state)))
    this.#broker.subscribe(this.#topics.allUp, (message) => this.#onUp(message))
    this.#broker.subscribe(this.#topics.allWills, (message) => this.#onDeviceWill(message))
  }

  /** How the way to the broker is. */
  get state(): BrokerState {
    return this.#broker.state
  }

  /** The address of the broker. */
  get url(): URL {
    return this.#broker.url
  }

  /** Messages that belonged to no handshake or session and were dropped, by cause. */
  get dropped(): ReadonlyMap<ErrorCode | MqttDrop, number> {
    const drops = new Map<ErrorCode | MqttDrop, number>([...this.#demultiplexer.dropped, ...this.#drops])
    const tooLong = (this.#drops.get('TOO_LONG') ?? 0) + this.#broker.tooLong
    return tooLong > 0 ? drops.set('TOO_LONG', tooLong) : drops
  }

  /**
   * Resolves when devices can come.
   * @throws UsmpError why the broker could not be reached; it is tried again all the same. ABORTED
   */
  connected(signal?: AbortSignal): Promise<void> {
    return this.#broker.connected(signal)
  }

  /**
   * Tells a device that now is a good time to try, for instance as it was approved. It is a hint: a device may be deaf to it.
   * At most one a second goes out for each device.
   * @throws UsmpError INVALID_ARGUMENT if it is no device id
   */
  hint(deviceId: string): void {
    const id = topicId(parseDeviceId(deviceId))
    if (this.#hints.take(id, nodeClock.now())) this.#broker.publish(this.#topics.down(id), EMPTY)
  }

  /**
   * Tells ids without a key that now is a good time to try: those whose last handshakes began within the last ten minutes, 128 at most.
   * What the server has counted against them is forgotten. For the moment when a person opens a join window.
   */
  inviteUnknown(): void {
    this.#invitation++
    for (const id of this.#unknown.recent(nodeClock.now())) this.#broker.publish(this.#topics.down(id), EMPTY)
  }

  /**
   * Leaves the broker. Sessions that are still there get a second for their BYE, then end as TRANSPORT_FAILED: close the server first.
   * Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#announce(false)
    const timeout = setTimeout(
      () => this.#demultiplexer.destroyAll(new UsmpError('TRANSPORT_FAILED', 'the listener of the broker was closed')),
      CLOSE_TIMEOUT,
    )
    await this.#demultiplexer.empty()
    clearTimeout(timeout)
    await this.#broker.close()
  }

  #announce(up: boolean): void {
    const presence = encodePresence({ up, boot: this.boot })
    this.#broker.publish(this.#presence, new TextEncoder().encode(presence), { retain: true })
  }

  #onUp({ topic, payload, retained }: BrokerMessage): void {
    const id = this.#topics.idOf(topic)
    if (!id) return this.#drop('BAD_TOPIC')
    if (retained) return this.#drop('RETAINED')
    if (payload.length > MAX_DATAGRAM) return this.#drop('TOO_LONG')
    // A copy: the payload is a part of what the socket read, and a HELLO is kept as long as its session.
    this.#demultiplexer.receive(new Uint8Array(payload), addressOf(id), { id, known: true })
  }

  /** No cookie is asked for: an answer goes to the topic of the id and nowhere else, so nothing can be turned on a third party. */
  #validateHello(datagram: Uint8Array, source: Source): Uint8Array | undefined {
    if (this.#closing) return undefined
    const { deviceId } = decodeHello(datagram)
    if (topicId(deviceId) !== source.id) {
      this.#drop('OTHER_ID')
      return undefined
    }
    source.known = this.#options.isKnown?.(formatDeviceId(deviceId)) ?? true
    return deviceId
  }

  #onPeer(peer: DatagramPeer, { id, known }: Source): void {
    if (!known) this.#unknown.add(id, nodeClock.now())
    void this.#server.accept(peer.transport, {
      address: known ? addressOf(id) : `mqtt:unknown ${this.#options.site} ${this.#invitation}`,
      deviceId: peer.deviceId,
      onSession: () => peer.takeOver(),
    })
  }

  #onDeviceWill({ topic, retained }: BrokerMessage): void {
    const id = this.#topics.idOf(topic)
    if (!id) return this.#drop('BAD_TOPIC')
    if (retained) return this.#drop('RETAINED')
    if (!this.#wills.take(id, nodeClock.now())) return
    safely('onWill', () => this.#options.onWill?.(formatDeviceId(idBytes(id))))
  }

  #drop(cause: MqttDrop): void {
    this.#drops.set(cause, (this.#drops.get(cause) ?? 0) + 1)
  }
}

/** Calls a function of the application. It is called by the client of the broker, which must not be stopped by what the function throws. */
function safely(name: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    process.emitWarning(`${name} of listenMqtt threw: ${String(error)}`, { code: 'USMP_CALLBACK_THREW' })
  }
}

/** What people see of where a device is. */
function addressOf(id: string): string {
  return `mqtt:${id}`
}
