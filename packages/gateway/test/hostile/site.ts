import type { Session } from '@usmp/core'
import { connectMqtt } from '@usmp/mqtt'
import { deviceNumber } from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { connectAsync, type MqttClient } from 'mqtt'
import { expect, onTestFinished } from 'vitest'
import type { Device, DeviceState } from '../../src/contract/device.js'
import { type Gateway, startGateway } from '../../src/gateway.js'
import type { OpenedStore } from '../../src/store/open.js'
import { ADMIN, newKey, serve, type TestKey } from '../support/gateway.js'
import { temporaryStore } from '../support/temporary-store.js'

/** On a machine that is busy with other things. */
const PATIENCE = { timeout: 60_000 }

/** One MQTT message as anybody at the broker sees it. */
export interface Seen {
  readonly topic: string
  readonly payload: Buffer
}

/** A real gateway with a real store on a real mosquitto to which anybody may connect, and devices with a connection each. */
export class Site {
  readonly broker: Mosquitto
  readonly store: OpenedStore
  readonly gateway: Gateway
  readonly #keys = new Map<string, TestKey>()

  private constructor(broker: Mosquitto, store: OpenedStore, gateway: Gateway) {
    this.broker = broker
    this.store = store
    this.gateway = gateway
  }

  static async start(): Promise<Site> {
    const broker = await Mosquitto.start()
    onTestFinished(() => broker.stop())
    const store = await temporaryStore()
    const gateway = await startGateway({ store, mqtt: { url: broker.url() } })
    onTestFinished(() => gateway.close())
    await expect.poll(() => gateway.system().broker.state, PATIENCE).toBe('connected')
    return new Site(broker, store, gateway)
  }

  /** Registers a device. */
  async register(n: number, name = `device ${n}`): Promise<string> {
    const id = deviceNumber(n)
    const key = newKey()
    this.#keys.set(id, key)
    await this.gateway.register(ADMIN, { id, psk: key.hex, name })
    return id
  }

  /** A session of a device; with another key than its own if it is given one. */
  async connect(id: string, psk = this.#keys.get(id)!.psk, handshakeTimeout = 20_000): Promise<Session> {
    const broker = { url: this.broker.url() }
    const session = await connectMqtt({ broker, site: 'home', deviceId: id, psk, handshakeTimeout, keepalive: 0 })
    onTestFinished(() => session.close())
    return session
  }

  /** A registered device that is online, with its session. */
  async online(n: number, description: Parameters<typeof serve>[1] = {}) {
    const id = await this.register(n)
    const session = await this.connect(id)
    const peer = serve(session, description)
    await this.state(id, 'online')
    return { id, session, peer }
  }

  async state(id: string, state: DeviceState): Promise<Device> {
    await expect.poll(() => this.gateway.device(id).state, PATIENCE).toBe(state)
    return this.gateway.device(id)
  }

  /** Somebody at the broker, who sees everything and may publish everything. */
  async attacker(): Promise<MqttClient> {
    const client = await connectAsync(this.broker.url())
    onTestFinished(() => client.endAsync(true))
    return client
  }

  /** All messages from now on. */
  async capture(): Promise<Seen[]> {
    const seen: Seen[] = []
    const client = await this.attacker()
    client.on('message', (topic, payload) => seen.push({ topic, payload }))
    await client.subscribeAsync('#')
    return seen
  }
}

/** The topic on which a device speaks, or hears. */
export function topicOf(id: string, end: 'up' | 'down'): string {
  const bare = id.replaceAll(':', '')
  return `usmp/home/${bare.slice(-2)}/${bare}/${end}`
}

export const eventually = <T>(look: () => T) => expect.poll(look, PATIENCE)
