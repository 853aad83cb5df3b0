import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { connectAsync, type MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HomeAssistantBridge } from '../../src/bridge/home-assistant.js'
import type { HomeAssistantBridgeOptions } from '../../src/bridge/options.js'
import type { Device } from '../../src/contract/device.js'
import type { LiveMessage } from '../../src/contract/live.js'
import type { Operations } from '../../src/operations.js'
import { deviceOf, reading } from './devices.js'
import { DISCOVERY_TOPIC, parseDiscovery } from './discovery-schema.js'

const ID = '24:6f:28:00:00:01'
const OTHER = '24:6f:28:00:00:02'
const NODE = 'homeassistant/device/usmp_home_246f28000001/config'
const VALUES = 'usmp-home/home/device/246f28000001'
const GATEWAY = 'usmp-home/home/gateway'

let broker: Mosquitto
beforeAll(async () => {
  broker = await Mosquitto.start()
})
afterAll(() => broker.stop())

/** What the gateway tells, as a test says it. */
class Feed {
  readonly #messages: LiveMessage[] = []
  #wake: () => void = () => {}

  constructor(...devices: Device[]) {
    const broker = { state: 'none' as const, url: null, since: 1, reason: null, nextTryAt: null }
    const join = {
      open: false,
      until: null,
      remaining: null,
      left: null,
      suffix: null,
      openedBy: null,
      overflow: 0,
    }
    const store = { state: 'ok' as const, since: 1, reason: null }
    this.say({ type: 'snapshot', now: 1, devices, join, broker, store, knocksWhileClosed: 0 })
  }

  say(message: LiveMessage): void {
    this.#messages.push(message)
    this.#wake()
  }

  device(id: string, changes: Partial<Device>): void {
    this.say({ type: 'device', device: deviceOf(id, changes) })
  }

  operations(site = 'home'): Operations {
    const used = {
      system: () => ({ site, version: '0.1.0' }),
      live: (signal: AbortSignal) => this.#live(signal),
    }
    return used as unknown as Operations
  }

  async *#live(signal: AbortSignal): AsyncGenerator<LiveMessage> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    for (let at = 0; !signal.aborted; ) {
      const message = this.#messages[at]
      if (message) {
        at++
        yield message
      } else await Promise.race([aborted, new Promise<void>((resolve) => (this.#wake = resolve))])
    }
  }
}

/** Listens as Home Assistant does, and checks every message by its rules. */
class HomeAssistant {
  readonly retained = new Map<string, string>()
  readonly log: string[] = []
  readonly faults: unknown[] = []
  readonly #client: MqttClient

  constructor(client: MqttClient) {
    this.#client = client
    client.on('message', (topic, payload) => this.#take(topic, payload.toString()))
  }

  static async start(): Promise<HomeAssistant> {
    const home = new HomeAssistant(await connectAsync(broker.url()))
    await home.#client.subscribeAsync('#')
    return home
  }

  #take(topic: string, payload: string): void {
    this.log.push(`${topic} ${payload}`)
    if (payload === '') this.retained.delete(topic)
    else this.retained.set(topic, payload)
    try {
      if (topic.startsWith('homeassistant/device')) {
        expect(topic).toMatch(DISCOVERY_TOPIC)
        if (payload) parseDiscovery(payload)
      }
    } catch (fault) {
      this.faults.push(fault)
    }
  }

  publish(topic: string, payload: string, retain = false): Promise<unknown> {
    return this.#client.publishAsync(topic, payload, { retain })
  }

  forget(): void {
    this.retained.clear()
    this.log.length = 0
  }

  /** Forgets what it saw, as a Home Assistant that starts again, and says that it is there. */
  async restart(): Promise<void> {
    this.forget()
    await this.publish('homeassistant/status', 'online')
  }

  async sees(topic: string, payload: string | RegExp): Promise<void> {
    await expect.poll(() => this.retained.get(topic), { timeout: 30_000 }).toMatch(payload)
  }

  async misses(topic: string): Promise<void> {
    await expect.poll(() => this.retained.has(topic), { timeout: 30_000 }).toBe(false)
  }

  async close(): Promise<void> {
    for (const topic of this.retained.keys()) await this.publish(topic, '', true)
    await this.#client.endAsync()
    expect(this.faults).toEqual([])
  }
}

let home: HomeAssistant
const bridges: HomeAssistantBridge[] = []
beforeEach(async () => {
  home = await HomeAssistant.start()
})
afterEach(async () => {
  for (const bridge of bridges.splice(0)) await bridge.close()
  await home.close()
})

function bridge(feed: Feed, options: Partial<HomeAssistantBridgeOptions> = {}, site?: string): HomeAssistantBridge {
  const made = new HomeAssistantBridge(feed.operations(site), { broker: { url: broker.url() }, ...options })
  bridges.push(made)
  return made
}

const online = (changes: Partial<Device> = {}) =>
  deviceOf(ID, { name: 'Greenhouse', readings: { temperature: reading(21.5, '°C') }, ...changes })

describe('on a real broker', () => {
  test('a device is announced, its values follow, and it goes away when it is revoked', async () => {
    const feed = new Feed(online())
    bridge(feed)
    await home.sees(NODE, /Greenhouse/)
    await home.sees(GATEWAY, 'online')
    await home.sees(`${VALUES}/availability`, 'online')
    await home.sees(`${VALUES}/reading/temperature`, '21.5')
    await home.sees(`${VALUES}/alarm`, 'OFF')

    feed.say({ type: 'readings', changed: [{ id: ID, name: 'temperature', ...reading(22, '°C') }] })
    feed.say({ type: 'readings', changed: [{ id: ID, name: 'door', ...reading(true) }] })
    await home.sees(`${VALUES}/reading/temperature`, '22')
    await home.sees(`${VALUES}/reading/door`, 'ON')
    await home.sees(NODE, /binary_sensor_door/)

    feed.device(ID, { ...online(), state: 'offline', name: 'Orangery' })
    await home.sees(`${VALUES}/availability`, 'offline')
    await home.sees(NODE, /Orangery/)

    feed.device(ID, { ...online(), state: 'revoked' })
    await home.misses(NODE)
    await home.misses(`${VALUES}/reading/temperature`)
    await home.misses(`${VALUES}/availability`)
  })

  test('what nobody has approved is not told', async () => {
    const feed = new Feed(deviceOf(OTHER, { state: 'waiting' }), deviceOf(ID, { state: 'blocked' }))
    bridge(feed)
    await home.sees(GATEWAY, 'online')
    feed.device(ID, online())
    await home.sees(NODE, /Greenhouse/)
    expect([...home.retained.keys()].filter((topic) => topic.includes('0000002'))).toEqual([])
  })

  test('replaced hardware is never seen as removed, so Home Assistant keeps its entities', async () => {
    const feed = new Feed(online())
    bridge(feed)
    await home.sees(NODE, /Greenhouse/)
    feed.device(ID, { state: 'revoked' })
    feed.device(OTHER, { ...online(), id: OTHER, replaced: [ID] })
    await home.sees(NODE, new RegExp(`"serial_number":"${OTHER}"`))
    expect(home.log).not.toContain(`${NODE} `)
    feed.say({ type: 'removed', id: ID })
    feed.say({ type: 'readings', changed: [{ id: OTHER, name: 'temperature', ...reading(7, '°C') }] })
    await home.sees(`${VALUES}/reading/temperature`, '7')
    expect(home.log).not.toContain(`${NODE} `)
  })

  test('a Home Assistant that starts is told everything again', async () => {
    bridge(new Feed(online()))
    await home.sees(NODE, /Greenhouse/)
    await home.restart()
    await home.sees(NODE, /Greenhouse/)
    await home.sees(`${VALUES}/reading/temperature`, '21.5')
    await home.sees(`${VALUES}/availability`, 'online')
  })

  test('what an earlier run has left of devices that are gone is removed, and nothing of other gateways', async () => {
    const [own, foreign] = ['home', 'shed'].map((site) => `homeassistant/device/usmp_${site}_246f28000002/config`)
    const cellar = deviceOf(OTHER, { name: 'Cellar', readings: { t: reading(5) } })
    const earlier = ['home', 'shed'].map((site) => bridge(new Feed(cellar), {}, site))
    for (const config of [own!, foreign!]) await home.sees(config, /Cellar/)
    for (const one of earlier) await one.close()

    bridge(new Feed(online()))
    await home.misses(own!)
    await home.misses('usmp-home/home/device/246f28000002/reading/t')
    await home.misses('usmp-home/home/device/246f28000002/availability')
    await home.sees(NODE, /Greenhouse/)
    await home.sees(foreign!, /Cellar/)
    await home.sees('usmp-home/shed/device/246f28000002/reading/t', '5')
  })

  test('a bridge that ends marks everything as unavailable', async () => {
    const feed = new Feed(online())
    const ending = bridge(feed)
    await home.sees(GATEWAY, 'online')
    await ending.close()
    await home.sees(GATEWAY, 'offline')
  })

  test('a broker that comes back with nothing remembered is told everything as it is by then', async () => {
    const feed = new Feed(online(), deviceOf(OTHER, { name: 'Cellar' }))
    const going = bridge(feed)
    await home.sees(NODE, /Greenhouse/)
    await broker.kill()
    await expect.poll(() => going.state.connected, { timeout: 30_000 }).toBe(false)
    expect(going.state.reason).toMatch(/closed|ECONN/)
    feed.say({ type: 'readings', changed: [{ id: ID, name: 'temperature', ...reading(30, '°C') }] })
    feed.say({ type: 'removed', id: OTHER })
    home.forget()
    await broker.restart()
    await home.sees(`${VALUES}/reading/temperature`, '30')
    await home.sees(NODE, /Greenhouse/)
    expect(going.state).toEqual({ connected: true, reason: null })
    expect([...home.retained.keys()].filter((topic) => topic.includes('0000002'))).toEqual([])
  })
})

/** A way to the broker that a test can cut. */
async function cuttable(port: number): Promise<{ url: string; cut: () => void; close: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
    sockets.clear()
  }
  const { port: own } = server.address() as AddressInfo
  return { url: `mqtt://127.0.0.1:${own}`, cut, close: () => server.close() }
}

test('the broker marks the gateway as offline when its connection breaks, and it comes back by itself', async () => {
  const way = await cuttable(broker.port())
  bridge(new Feed(online()), { broker: { url: way.url } })
  await home.sees(GATEWAY, 'online')
  home.log.length = 0
  way.cut()
  await expect.poll(() => home.log, { timeout: 30_000 }).toContain(`${GATEWAY} offline`)
  await home.sees(GATEWAY, 'online')
  way.close()
})

describe('options', () => {
  const refusal = (options: HomeAssistantBridgeOptions) => {
    try {
      new HomeAssistantBridge(new Feed().operations(), options)
    } catch (error) {
      return error
    }
    throw new Error('was taken')
  }

  test.each([
    'mqtt://192.0.2.1:1883',
    'ws://home.example/mqtt',
    'http://127.0.0.1',
    'mqtts://user:secret@home.example',
    'nonsense',
    'mqtt://localhost.example',
  ])('%s is refused, and no password is in the words', (url) => {
    const error = refusal({ broker: { url } })
    expect(error).toMatchObject({ code: 'INVALID' })
    expect(`${error}`).not.toContain('secret')
  })

  test.each(['#', 'a//b', '', 'a/+/b', '/a', 'homeassistant/values'])('the prefix "%s" is refused', (prefix) => {
    expect(refusal({ broker: { url: 'mqtt://127.0.0.1:1' }, prefix })).toMatchObject({ code: 'INVALID' })
  })
})
