import { codeOf, DEVICE_ID, deviceNumber, failureOf, PSK, textOf, until } from '@usmp/testing'
import { makeCertificate } from '@usmp/testing/certificate'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { connect as mqttConnect } from 'mqtt'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type BrokerOptions, brokerAcl, connectMqtt } from '../src/index.ts'
import { SITE, startSite, topics } from './site.js'

const ID = 'aabbccddeeff'
const OTHER_ID = '020000000001'
const users = { gateway: 'of the gateway', [ID]: 'of the device', [OTHER_ID]: 'of another device' }
type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

let broker: Mosquitto
let client: { key: string; cert: string }
let server: { key: string; cert: string }

beforeAll(async () => {
  ;[client, server] = await Promise.all([makeCertificate(), makeCertificate()])
  broker = await Mosquitto.start({
    listeners: ['mqtt', 'ws', 'mqtts', 'wss'],
    tls: { ...server, clientCa: client.cert },
    users,
    acl: brokerAcl({ broker: 'mosquitto', site: SITE }),
  })
})
afterAll(() => broker?.stop())

/** How one of the users reaches the broker. */
function as(username: keyof typeof users, scheme: Scheme = 'mqtt', more: Partial<BrokerOptions> = {}): BrokerOptions {
  const isSecure = scheme === 'mqtts' || scheme === 'wss'
  return {
    url: broker.url(scheme),
    username: String(username),
    password: users[username]!,
    ...(isSecure ? { ca: server.cert, cert: client.cert, key: client.key } : {}),
    ...more,
  }
}

async function attempt(options: BrokerOptions): Promise<string> {
  return codeOf(connectMqtt({ broker: options, site: SITE, deviceId: DEVICE_ID, psk: PSK, handshakeTimeout: 500 }))
}

describe('a broker that lets in nobody without a password, with the access list of the generator', () => {
  test.each<[Scheme, '3.1.1' | '5']>([
    ['mqtt', '3.1.1'],
    ['mqtt', '5'],
    ['mqtts', '3.1.1'],
    ['mqtts', '5'],
    ['ws', '3.1.1'],
    ['wss', '3.1.1'],
    ['wss', '5'],
  ])('carries a session over %s, MQTT %s', async (scheme, protocol) => {
    const site = await startSite(as('gateway', scheme, { protocol }))
    const session = await connectMqtt({
      broker: as(ID, scheme, { protocol }),
      site: SITE,
      deviceId: DEVICE_ID,
      psk: PSK,
    })
    await session.send('hello')
    expect(textOf(await site.server.sessions[0]!.receive())).toBe('hello')
    await site.close()
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('takes a password as bytes', async () => {
    await startSite(as('gateway', 'mqtt', { password: new TextEncoder().encode(users.gateway) }))
  })

  test('keeps a device from the topics of another one, and from those of the gateway', async () => {
    const site = await startSite(as('gateway'))
    const device = mqttConnect(broker.url(), { username: OTHER_ID, password: users[OTHER_ID]! })
    onTestFinished(() => device.endAsync(true))
    const heard: string[] = []
    device.on('message', (topic) => void heard.push(topic))
    await device.subscribeAsync(['#', topics.allUp, topics.down(ID)]).catch(() => {})
    for (const topic of [topics.up(ID), topics.will(ID), topics.down(ID), topics.presence('main')])
      device.publish(topic, 'x')
    // What is allowed comes after what is not.
    device.publish(topics.up(OTHER_ID), 'its own')
    await until(() => site.listener.dropped.has('UNEXPECTED_PACKET'), 'the count', 40_000)
    const session = await connectMqtt({ broker: as(ID), site: SITE, deviceId: DEVICE_ID, psk: PSK })
    await session.close()
    expect(site.listener.dropped.get('UNEXPECTED_PACKET')).toBe(1)
    expect(heard.filter((topic) => topic !== topics.presence('main'))).toEqual([])
  })
})

describe('what is wrong at a broker is said in words', () => {
  test.each<[string, () => BrokerOptions, string, RegExp]>([
    [
      'a wrong password',
      () => as(ID, 'mqtt', { password: 'wrong' }),
      'BROKER_REFUSED',
      /not this user|password is wrong/,
    ],
    ['a wrong password, MQTT 5', () => as(ID, 'mqtt', { password: 'wrong', protocol: '5' }), 'BROKER_REFUSED', /user/],
    ['no password', () => ({ url: broker.url() }), 'BROKER_REFUSED', /user name and password/],
    [
      'an unknown authority',
      () => ({ url: broker.url('mqtts'), ca: client.cert }),
      'UNTRUSTED_CERTIFICATE',
      /self-signed/,
    ],
    [
      'no client certificate',
      () => ({ url: broker.url('mqtts'), ca: server.cert }),
      'BROKER_REFUSED',
      /client certificate/,
    ],
    [
      'TLS where there is none',
      () => ({ url: broker.url().replace('mqtt:', 'mqtts:') }),
      'UNREACHABLE',
      /before it answered/,
    ],
    [
      'no TLS where there is',
      () => ({ url: broker.url('mqtts').replace('mqtts:', 'mqtt:') }),
      'UNREACHABLE',
      /before it answered/,
    ],
    ['nobody there', () => ({ url: 'mqtt://127.0.0.1:1' }), 'UNREACHABLE', /ECONNREFUSED/],
    ['no such name', () => ({ url: 'mqtt://nowhere.invalid' }), 'UNREACHABLE', /nowhere\.invalid/],
  ])('%s', async (_, options, code, words) => {
    const error = await failureOf(
      connectMqtt({ broker: options(), site: SITE, deviceId: DEVICE_ID, psk: PSK, handshakeTimeout: 500 }),
    )
    expect(error.code).toBe(code)
    expect(error.message).toMatch(words)
    expect(error.hint).not.toBe('')
    expect(error.message + error.hint).not.toContain('wrong user')
  })

  test('a gateway says why, and when it tries again', async () => {
    const site = await failureOf(startSite(as('gateway', 'mqtt', { password: 'wrong' })))
    expect(site.code).toBe('BROKER_REFUSED')
  })

  test('a device whose key the gateway does not have hears nothing at all', async () => {
    await startSite(as('gateway'), { psk: (id) => (id === deviceNumber(1) ? PSK : null) })
    expect(await attempt(as(ID))).toBe('HANDSHAKE_TIMEOUT')
  })
})
