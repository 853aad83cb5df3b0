// Many devices with a connection each to a broker. Usage: node --expose-gc mqtt-devices.js KIND URL

import type { ConnectionOptions } from 'node:tls'
import { connectMqtt } from '@usmp/mqtt'
import { connectAsync, type IClientOptions } from 'mqtt'
import { identity, type MqttKind, SITE, topicOf } from '../contestants/mqtt-kinds.js'
import { nextDeviceId } from '../fixtures.js'
import { obey } from './commands.js'

const PSK = new Uint8Array(Buffer.from(process.env.USMP_BENCH_PSK!, 'hex'))
const [kind, url] = process.argv.slice(2) as [MqttKind, string]

/** Connections that are made at once. */
const AT_ONCE = 50
const MESSAGE = new Uint8Array(64).fill(0x5a)

interface Device {
  /** Resolves when the message has gone out. */
  send(): Promise<unknown>
}

async function openUsmp(deviceId: Uint8Array): Promise<Device> {
  const session = await connectMqtt({
    broker: { url, connectTimeout: 60_000 },
    site: SITE,
    deviceId,
    psk: PSK,
    keepalive: 0,
    idleTimeout: 0,
    handshakeTimeout: 60_000,
  })
  void session.receive().catch(() => {})
  return { send: () => session.send(MESSAGE) }
}

const tls: Readonly<Record<Exclude<MqttKind, 'usmp'>, ConnectionOptions>> = {
  'tls-psk': {
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    pskCallback: () => ({ psk: PSK, identity }),
    // There is no certificate whose name could be checked.
    checkServerIdentity: () => undefined,
  },
  'tls-certificate': { minVersion: 'TLSv1.3', ca: process.env.USMP_BENCH_CA! },
}

async function openTls(deviceId: Uint8Array): Promise<Device> {
  const id = Buffer.from(deviceId).toString('hex')
  const settings = tls[kind as Exclude<MqttKind, 'usmp'>]
  const options: IClientOptions = { clientId: id, connectTimeout: 60_000, reconnectPeriod: 0 }
  // The library hands on to Node what it does not know.
  const client = await connectAsync(url, { ...settings, ...options } as IClientOptions)
  ;(client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true)
  // A device hears its gateway too.
  await client.subscribeAsync(topicOf(id, 'down'))
  const topic = topicOf(id, 'up')
  return { send: () => client.publishAsync(topic, Buffer.from(MESSAGE)) }
}

const openOne = kind === 'usmp' ? openUsmp : openTls
const devices: Device[] = []

await obey({
  /** Each device connects and sends one message. */
  async open(count) {
    let left = count
    async function worker(): Promise<void> {
      while (left-- > 0) {
        const device = await openOne(nextDeviceId())
        devices.push(device)
        await device.send()
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
  },
  /** A message a second from each, evenly spread, for so many seconds; how many were sent. */
  async talk(seconds) {
    const begin = performance.now()
    const all = devices.length * seconds
    let sent = 0
    while (sent < all) {
      const due = ((performance.now() - begin) / 1000) * devices.length
      for (; sent < Math.min(due, all); sent++) await devices[sent % devices.length]!.send()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return sent
  },
})
