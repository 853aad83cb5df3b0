import { DEVICE_ID, PSK } from '@usmp/testing'
import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { expect, test } from 'vitest'
import { aclTable } from '../src/broker-acl.ts'
import { BrokerConnection } from '../src/broker-connection.ts'
import { type BrokerOptions, brokerTable } from '../src/broker-options.ts'
import { type MqttConnectOptions, sessionsTableFor, tableFor } from '../src/connect.ts'
import { embeddedTable, startEmbeddedBroker } from '../src/embedded-broker.ts'
import { brokerAcl, connectMqtt, listenMqtt, mqttSessions } from '../src/index.ts'
import { listenTable } from '../src/mqtt-listener.ts'

const broker = { url: 'mqtt://127.0.0.1:1' }
const good = { broker, site: 'home', deviceId: DEVICE_ID, psk: PSK }
const server = { accept: async () => undefined }

describeOptions([
  {
    name: 'the broker',
    table: brokerTable,
    good: { ...broker },
    call: (options) => new BrokerConnection(options, { name: 'x' }),
  },
  {
    name: 'listenMqtt',
    table: listenTable,
    good: { broker, site: 'home' },
    call: (options) => listenMqtt(server, options),
  },
  { name: 'connectMqtt', table: tableFor(good as MqttConnectOptions), good, call: (options) => connectMqtt(options) },
  { name: 'mqttSessions', table: sessionsTableFor(good as MqttConnectOptions), good, call: mqttSessions },
  {
    name: 'brokerAcl',
    table: aclTable,
    good: { broker: 'mosquitto', site: 'home' },
    call: (options) => brokerAcl(options),
  },
  { name: 'startEmbeddedBroker', table: embeddedTable, good: { site: 'home' }, call: startEmbeddedBroker },
])

test.each<[string, Partial<BrokerOptions>, RegExp]>([
  ['a password in the address', { url: 'mqtt://user:secret@host' }, /url must be .* without user name and password/],
  ['another protocol', { url: 'http://host' }, /url must be/],
  ['a password without a user', { password: 'secret' }, /needs a username/],
  ['a certificate without its key', { url: 'mqtts://host', cert: 'PEM' }, /come together/],
  ['certificates without TLS', { ca: 'PEM' }, /has no certificates/],
])('a broker with %s is refused, and no secret is shown', async (_, options, words) => {
  const fault = await faultOf(() => new BrokerConnection({ ...broker, ...options }, { name: 'x' }))
  expect(fault).toMatch(words)
  expect(fault).not.toContain('secret')
})

test('the access list of EMQX names the same topics as that of mosquitto', () => {
  const topicsOf = (text: string) => new Set(text.replace(/\$\{username\}/g, '%u').match(/usmp\/home\/[^"\s]+[a-z+]/g))
  expect(brokerAcl({ broker: 'mosquitto', site: 'home' })).toContain('message_size_limit 1024')
  const emqx = brokerAcl({ broker: 'emqx', site: 'home', gatewayUser: 'gw' })
  expect(topicsOf(emqx)).toEqual(topicsOf(brokerAcl({ broker: 'mosquitto', site: 'home', gatewayUser: 'gw' })))
  expect(emqx).toContain('{user, "gw"}')
  expect(emqx.trim().split('\n').at(-1)).toBe('{deny, all, all, ["usmp/home/#"]}.')
})

test.each(['a b', 'a\n', '#', '"', ''])('a user %j does not get into an access list', async (gatewayUser) => {
  expect(await faultOf(() => brokerAcl({ broker: 'mosquitto', site: 'home', gatewayUser }))).toMatch(
    /gatewayUser must be/,
  )
})
