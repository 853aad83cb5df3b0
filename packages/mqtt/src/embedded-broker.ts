import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net'
import { toHex, UsmpError } from '@usmp/core'
import { checkOptions, integer, type TableOf, text } from '@usmp/core/options'
import { nodeRandom } from '@usmp/node'
import { Aedes, type AedesPublishPacket, type Client } from 'aedes'
import type { BrokerOptions } from './broker-options.js'
import { limitPackets } from './packet-limit.js'
import { topicName, topicsOf } from './topics.js'

/** Connections at once. */
const MAX_CONNECTIONS = 2_000
/** Bytes of the longest payload that any topic of a site has. */
const MAX_PAYLOAD = 492
/** Bytes of the longest packet: a SUBSCRIBE with many topics. */
const MAX_PACKET = 16 * 1024
/** Topics that clients may hear, all together; of one client: those of a program with many simulated devices. */
const MAX_SUBSCRIPTIONS = 20_000
const MAX_SUBSCRIPTIONS_EACH = 5_000
const GATEWAY_USER = 'gateway'
/** How client ids of gateways begin. */
const GATEWAY_CLIENT = 'usmp-gw-'
const ID = /^[0-9a-f]{12}$/

/** Options of {@link startEmbeddedBroker}. */
export interface EmbeddedBrokerOptions {
  /** As the gateway has it. */
  readonly site: string
  /** Default 127.0.0.1, which only this machine reaches; `0.0.0.0` or `::` lets in devices from the network, without TLS. */
  readonly host?: string
  /** Default 1883; 0 takes a free one. */
  readonly port?: number
}

/** Of {@link startEmbeddedBroker}. */
export const embeddedTable: TableOf<EmbeddedBrokerOptions> = {
  site: { ...topicName, required: true },
  host: text,
  port: integer(0, 65_535),
}

/** A broker in this process. */
export interface EmbeddedBroker {
  /** Where devices reach it. */
  readonly url: string
  /** How the gateway reaches it, with a password that is made at each start. */
  readonly gateway: BrokerOptions
  /** Cuts off all clients; never rejects. */
  close(): Promise<void>
}

/**
 * Starts an MQTT broker in this process, for a first try and for small sites: MQTT 3.1.1 over TCP. It carries USMP and nothing else, keeps
 * nothing for clients that are away, and holds to what {@link brokerAcl} says: the gateway alone, which knows the password, sends
 * to devices. A client whose user name is a device id has the topics of this device alone; one without has those of all devices.
 * @throws UsmpError INVALID_ARGUMENT; TRANSPORT_FAILED if the port cannot be had
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  checkOptions('startEmbeddedBroker', options, embeddedTable)
  const { site, host = '127.0.0.1', port = 1883 } = options
  const password = toHex(nodeRandom(16))
  const subscriptions = new SubscriptionBudget()
  const broker = new Aedes(rulesOf(site, Buffer.from(password), subscriptions))
  broker.on('unsubscribe', (topics, client) => subscriptions.giveBack(client, topics))
  broker.on('clientDisconnect', (client) => subscriptions.forget(client))
  await broker.listen()
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    limitPackets(socket, MAX_PACKET, () => socket.destroy())
    broker.handle(socket)
  })
  server.maxConnections = MAX_CONNECTIONS
  try {
    await listen(server, port, host)
  } catch (cause) {
    await closeBroker(broker)
    const detail = `cannot listen for MQTT on ${host}:${port}: ${(cause as Error).message}`
    throw new UsmpError('TRANSPORT_FAILED', detail, { cause, hint: 'Choose another port, or end what holds it.' })
  }
  const { address, family, port: taken } = server.address() as AddressInfo
  const at = (name: string) => `mqtt://${family === 'IPv6' ? `[${name}]` : name}:${taken}`
  const own = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return {
    url: at(address),
    gateway: { url: at(own), username: GATEWAY_USER, password },
    async close() {
      const closed = once(server, 'close')
      server.close()
      await closeBroker(broker)
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function listen(server: NetServer, port: number, host: string): Promise<void> {
  const listening = once(server, 'listening')
  server.listen(port, host)
  await listening
}

function closeBroker(broker: Aedes): Promise<void> {
  return new Promise((resolve) => broker.close(() => resolve()))
}

/** Who may do what; a client that does more is cut off. */
function rulesOf(
  site: string,
  password: Buffer,
  subscriptions: SubscriptionBudget,
): ConstructorParameters<typeof Aedes>[0] {
  const users = new WeakMap<Client, string | undefined>()
  const topics = topicsOf(site)
  const isGateway = (client: Client | null) => client !== null && users.get(client) === GATEWAY_USER
  const fromDevices = new RegExp(`^usmp/${site}/[^/#]+/[^/#]+/(?:up|lwt)$`)
  const gatewayTopic = new RegExp(`^usmp/${site}/(?:[0-9a-f]{2}/[0-9a-f]{12}/down|gw/[A-Za-z0-9_-]{1,32})$`)

  /** The device that a client speaks for; undefined if it may not speak for this one. */
  function ownId(client: Client | null, topic: string): string | undefined {
    const id = topics.idOf(topic)
    const user = client ? users.get(client) : undefined
    return user === undefined || user === id ? id : undefined
  }

  function mayPublish(
    client: Client | null,
    { topic, payload, retain, qos }: Pick<AedesPublishPacket, 'topic' | 'payload' | 'retain' | 'qos'>,
  ) {
    // What has a higher QoS is kept for its sender.
    if (payload.length > MAX_PAYLOAD || qos > 0) return false
    if (isGateway(client)) return gatewayTopic.test(topic)
    const id = ownId(client, topic)
    return id !== undefined && !retain && (topic === topics.up(id) || topic === topics.will(id))
  }

  function maySubscribe(client: Client, topic: string) {
    if (topic === topics.allPresences) return true
    if (isGateway(client)) return fromDevices.test(topic)
    const id = ownId(client, topic)
    return id !== undefined && topic === topics.down(id)
  }

  return {
    authenticate(client, username, given, done) {
      const refuse = (why: string, returnCode: number) => done(Object.assign(new Error(why), { returnCode }), false)
      const isGatewayUser = username === GATEWAY_USER
      const isDevice = username === undefined || ID.test(username)
      if (!(isGatewayUser ? isSame(given, password) : isDevice)) return refuse('wrong user name or password', 4)
      // Who takes the client id of the gateway would throw it out.
      if (!isGatewayUser && client.id.startsWith(GATEWAY_CLIENT)) return refuse('a client id of a gateway', 2)
      // What a client missed would be kept for it.
      if (!client.clean) return refuse('only clean sessions are taken', 5)
      users.set(client, username)
      done(null, true)
    },
    authorizePublish: (client, packet, done) =>
      done(mayPublish(client, packet) ? null : new Error(`no right to publish to ${packet.topic.slice(0, 64)}`)),
    authorizeSubscribe: (client, subscription, done) =>
      done(
        null,
        maySubscribe(client, subscription.topic) && subscriptions.take(client, subscription.topic)
          ? { ...subscription, qos: 0 }
          : null,
      ),
  }
}

/** Bounds what clients subscribe to: one without a user name may name any number of devices. */
class SubscriptionBudget {
  readonly #topics = new Map<Client, Set<string>>()
  #total = 0

  take(client: Client, topic: string): boolean {
    const own = this.#topics.get(client) ?? new Set()
    if (own.has(topic)) return true
    if (own.size >= MAX_SUBSCRIPTIONS_EACH || this.#total >= MAX_SUBSCRIPTIONS) return false
    this.#topics.set(client, own.add(topic))
    this.#total++
    return true
  }

  giveBack(client: Client, topics: readonly string[]): void {
    const own = this.#topics.get(client)
    for (const topic of topics) if (own?.delete(topic)) this.#total--
  }

  forget(client: Client): void {
    this.#total -= this.#topics.get(client)?.size ?? 0
    this.#topics.delete(client)
  }
}

function isSame(given: Buffer | undefined, password: Buffer): boolean {
  return given?.length === password.length && timingSafeEqual(given, password)
}
