import { listen, type RefusedEvent, type Server, type SessionEvent } from '@usmp/node'
import { PSK } from '@usmp/testing'
import { type IClientPublishOptions, type MqttClient, connect as mqttConnect } from 'mqtt'
import { onTestFinished } from 'vitest'
import type { BrokerOptions } from '../src/broker-options.ts'
import { listenMqtt, type MqttListener, type MqttListenOptions } from '../src/index.ts'
import { topicsOf } from '../src/topics.ts'

export const SITE = 'home'
export const topics = topicsOf(SITE)

export interface Site {
  readonly server: Server
  readonly listener: MqttListener
  /** Codes of refusals so far. */
  readonly refused: string[]
  /** Device ids of sessions that began, and of those that ended. */
  readonly began: string[]
  readonly ended: string[]
  close(): Promise<void>
}

/** A gateway at a broker: a server, and its listener; closed after the test. */
export async function startSite(
  broker: BrokerOptions,
  {
    psk = () => PSK,
    server: serverOptions = {},
    ...options
  }: Partial<MqttListenOptions> & {
    readonly psk?: (deviceId: string) => Uint8Array | null
    readonly server?: Partial<Parameters<typeof listen>[0]>
  } = {},
): Promise<Site> {
  const server = await listen({ tcp: false, psk, maxConnections: 5_000, ...serverOptions })
  const refused: string[] = []
  const began: string[] = []
  const ended: string[] = []
  server.addEventListener('refused', (event: RefusedEvent) => void refused.push(event.error.code))
  server.addEventListener('session', (event: SessionEvent) => void began.push(event.session.deviceId))
  server.addEventListener('ended', (event: SessionEvent) => void ended.push(event.session.deviceId))
  const listener = listenMqtt(server, { broker, site: SITE, ...options })
  const close = async () => {
    await server.close()
    await listener.close()
  }
  onTestFinished(close)
  await listener.connected()
  return { server, listener, refused, began, ended, close }
}

/** Somebody at the broker who is no part of USMP: hears everything and says anything. */
export class Stranger {
  readonly heard: { readonly topic: string; readonly payload: Buffer; readonly retained: boolean }[] = []
  readonly #client: MqttClient

  private constructor(client: MqttClient) {
    this.#client = client
    client.on('message', (topic, payload, { retain }) => void this.heard.push({ topic, payload, retained: retain }))
  }

  static async at(url: string): Promise<Stranger> {
    const client = mqttConnect(url, { reconnectPeriod: 0 })
    onTestFinished(() => client.endAsync(true))
    const stranger = new Stranger(client)
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject))
    await client.subscribeAsync('#')
    return stranger
  }

  say(topic: string, payload: Uint8Array | string, options: IClientPublishOptions = {}): void {
    this.#client.publish(topic, typeof payload === 'string' ? payload : Buffer.from(payload), options)
  }
}
