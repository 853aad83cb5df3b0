import { connect as tcpConnect } from 'node:net'
import { codeOf, DEVICE_ID, DEVICE_ID_BYTES, failureOf, PSK, textOf, until } from '@usmp/testing'
import { type IClientOptions, type MqttClient, connect as mqttConnect } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { type EmbeddedBroker, startEmbeddedBroker } from '../src/embedded-broker.ts'
import { connectMqtt } from '../src/index.ts'
import { topicId } from '../src/topics.ts'
import { SITE, startSite, topics } from './site.js'

const ID = topicId(DEVICE_ID_BYTES)
const OTHER_ID = '020000000001'

async function start(): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker({ site: SITE, port: 0 })
  onTestFinished(() => broker.close())
  return broker
}

/** A client that is no part of USMP, connected; undefined if the broker does not let it in. */
async function client({ url }: EmbeddedBroker, options: IClientOptions = {}): Promise<MqttClient | undefined> {
  const one = mqttConnect(url, { reconnectPeriod: 0, ...options })
  onTestFinished(() => one.endAsync(true))
  return new Promise((resolve) => {
    one.once('connect', () => resolve(one))
    one.once('close', () => resolve(undefined))
  })
}

test('carries sessions, and the gateway needs no setting but what it is given', async () => {
  const broker = await start()
  const { server } = await startSite(broker.gateway)
  const session = await connectMqtt({ broker: { url: broker.url }, site: SITE, deviceId: DEVICE_ID, psk: PSK })
  await session.send('hello')
  expect(textOf(await server.sessions[0]!.receive())).toBe('hello')
  await broker.close()
  expect(await codeOf(session.ping({ signal: AbortSignal.timeout(300) }))).toBe('ABORTED')
})

test.each<[string, IClientOptions]>([
  ['the user of the gateway without its password', { username: 'gateway', password: 'guessed' }],
  ['a user that is no device', { username: 'admin', password: 'x' }],
  ['the client id of a gateway', { clientId: 'usmp-gw-main-0000' }],
  ['the wish that the broker keeps what it missed', { clean: false, clientId: 'late' }],
])('a client with %s is not let in', async (_, options) => {
  expect(await client(await start(), options)).toBeUndefined()
})

test.each([
  ['the frames of all devices', topics.allUp],
  ['everything', '#'],
  ['what the gateway sends to all', `usmp/${SITE}/+/+/down`],
  ['another site', topics.up(ID).replace(SITE, 'other')],
])('a device does not hear %s', async (_, topic) => {
  const one = await client(await start())
  await expect(one!.subscribeAsync(topic)).rejects.toThrow()
})

test.each<[string, string, string, boolean, string | undefined]>([
  ['the topic of a gateway', topics.presence('main'), '{"v":1,"up":false}', true, undefined],
  ['what only the gateway sends', topics.down(ID), 'x', false, undefined],
  ['a topic of another device than its user name says', topics.up(ID), 'x', false, OTHER_ID],
  ['something that the broker should keep', topics.up(ID), 'x', true, undefined],
  ['more than any frame has', topics.up(ID), 'x'.repeat(493), false, undefined],
  ['a topic that is none of USMP', 'home/door', 'open', false, undefined],
])('a device that publishes %s is cut off, and nobody hears it', async (_, topic, payload, retain, username) => {
  const broker = await start()
  const { listener, server } = await startSite(broker.gateway)
  const one = await client(broker, username === undefined ? {} : { username })
  const closed = new Promise<void>((resolve) => one!.once('close', () => resolve()))
  one!.publish(topic, payload, { retain })
  await closed
  expect([listener.dropped.size, server.sessions.length]).toEqual([0, 0])
})

test('a device whose user name is its id has its own topics', async () => {
  const broker = await start()
  await startSite(broker.gateway)
  const session = await connectMqtt({
    broker: { url: broker.url, username: ID },
    site: SITE,
    deviceId: DEVICE_ID,
    psk: PSK,
  })
  await session.close()
  const other = await failureOf(
    connectMqtt({
      broker: { url: broker.url, username: OTHER_ID },
      site: SITE,
      deviceId: DEVICE_ID,
      psk: PSK,
      handshakeTimeout: 500,
    }),
  )
  expect(['BROKER_REFUSED', 'HANDSHAKE_TIMEOUT']).toContain(other.code)
})

test('a will of a device arrives', async () => {
  const broker = await start()
  const wills: string[] = []
  await startSite(broker.gateway, { onWill: (id) => void wills.push(id) })
  const one = await client(broker, {
    will: { topic: topics.will(ID), payload: Buffer.alloc(0), qos: 0, retain: false },
  })
  one!.stream.destroy()
  await until(() => wills.length === 1, 'the will', 40_000)
  expect(wills).toEqual([DEVICE_ID])
})

test('MQTT 5, which it does not speak, is refused in words', async () => {
  const { url } = await start()
  const options = { broker: { url, protocol: '5' }, site: SITE, deviceId: DEVICE_ID, psk: PSK } as const
  const error = await failureOf(connectMqtt(options))
  expect([error.code, error.message]).toEqual(['BROKER_REFUSED', expect.stringContaining('this version of MQTT')])
})

test('a function of the application that throws costs the HELLO that it was asked about', async () => {
  const broker = await start()
  let asked = 0
  const { listener, began } = await startSite(broker.gateway, {
    isKnown: () => {
      if (asked++ === 0) throw new Error('of the application')
      return true
    },
  })
  const session = await connectMqtt({ broker: { url: broker.url }, site: SITE, deviceId: DEVICE_ID, psk: PSK })
  expect([began, listener.dropped.get('INVALID_ARGUMENT')]).toEqual([[DEVICE_ID], 1])
  await session.close()
})

test('a port that is taken is an error that says so', async () => {
  const { url } = await start()
  const error = await failureOf(startEmbeddedBroker({ site: SITE, port: Number(new URL(url).port) }))
  expect([error.code, error.message]).toEqual(['TRANSPORT_FAILED', expect.stringContaining('EADDRINUSE')])
})

test.each([
  ['a CONNECT', [0x10, 0xff, 0xff, 0xff, 0x7f]],
  ['a packet with a length that does not end', [0xc0, 0, 0x30, 0x80, 0x80, 0x80, 0x80]],
  ['a long packet after a short one', [0xc0, 0, 0x30, 0xff, 0xff, 0x03]],
])('a connection that announces too much by %s is cut off before it sends that', async (_, head) => {
  const { url } = await start()
  const socket = tcpConnect(Number(new URL(url).port), '127.0.0.1')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  // Byte by byte, as a network may deliver it.
  for (const byte of head) await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve))
  await closed
})

test('a client that asks for the topics of very many devices gets no more than a fleet has', async () => {
  const broker = await start()
  const one = await client(broker)
  const topicOf = (i: number) => topics.down(i.toString(16).padStart(12, '0'))
  const batch = (from: number) => Array.from({ length: 100 }, (_, i) => topicOf(from + i))
  for (let i = 0; i < 5_000; i += 100) await one!.subscribeAsync(batch(i))
  await expect(one!.subscribeAsync(topicOf(5_000))).rejects.toThrow()
  await one!.unsubscribeAsync(topicOf(1))
  await one!.subscribeAsync(topicOf(5_000))
  await one!.endAsync()
  const other = await client(broker)
  await other!.subscribeAsync(batch(0))
})
