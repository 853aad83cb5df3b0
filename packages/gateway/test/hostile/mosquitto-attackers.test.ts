import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { encodeFrame, PacketType } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { deviceNumber, failureOf, OTHER_PSK } from '@usmp/testing'
import type { MqttClient } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { ADMIN, OPERATOR } from '../support/gateway.js'
import { eventually, type Seen, Site, topicOf } from './site.js'

test('an impostor on the topics of a device that is online: its session lives on, and the attempts are shown', async () => {
  const site = await Site.start()
  const { id, session } = await site.online(1)
  const impostor = await failureOf(site.connect(id, OTHER_PSK, 2_000))
  expect(impostor).toMatchObject({ code: 'HANDSHAKE_TIMEOUT' })
  await eventually(() => site.gateway.device(id).attempts?.count ?? 0).toBeGreaterThan(0)
  await site.gateway.ping(OPERATOR, id)
  expect(session.signal.aborted).toBe(false)
  expect(site.gateway.devices()).toHaveLength(1)
  expect(site.gateway.device(id)).toMatchObject({ state: 'online', knock: null })
})

/** Says HELLO in the name of a device that does not exist. */
function hello(attacker: MqttClient, n: number): Promise<unknown> {
  const deviceId = Uint8Array.of(6, 6, 6, 6, n >> 8, n & 0xff)
  const frame = encodeFrame({ type: PacketType.HELLO, seq: 0, payload: Buffer.concat([deviceId, nodeRandom(32)]) })
  return attacker.publishAsync(topicOf(Buffer.from(deviceId).toString('hex'), 'up'), Buffer.from(frame))
}

test('2,000 made-up ids: own devices are not touched, another one gets in meanwhile, the list stays empty', async () => {
  const site = await Site.start()
  const devices = [await site.online(1), await site.online(2), await site.online(3)]
  const late = await site.register(4)
  await site.gateway.openJoin(OPERATOR, { minutes: 5 })
  const attacker = await site.attacker()
  const joined = site.connect(late)
  for (let n = 0; n < 2_000; n += 200) await Promise.all(Array.from({ length: 200 }, (_, i) => hello(attacker, n + i)))
  await joined
  await eventually(() => Object.values(site.gateway.system().dropped).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(
    1_500,
  )
  for (const { id, session } of devices) {
    await site.gateway.ping(OPERATOR, id)
    expect(session.signal.aborted).toBe(false)
  }
  expect(site.gateway.devices()).toHaveLength(4)
  expect(site.gateway.devices().filter(({ state }) => state === 'waiting')).toEqual([])
})

test('a whole session played back, while it lives and after it: nothing is carried out twice, nobody gets in', async () => {
  const site = await Site.start()
  const capture = await site.capture()
  const { id, session, peer } = await site.online(1)
  for (const value of [1, 2, 3]) await peer.notify('telemetry', { values: { counter: value } })
  await eventually(() => site.gateway.device(id).readings.counter?.value).toBe(3)
  const spoken = capture.filter(({ topic }) => topic === topicOf(id, 'up'))
  expect(spoken.length).toBeGreaterThan(5)
  const before = site.gateway.device(id).session!

  const attacker = await site.attacker()
  const playBack = () => Promise.all(spoken.map(({ topic, payload }) => attacker.publishAsync(topic, payload)))
  await playBack()
  await eventually(() => site.gateway.device(id).session?.dropped.REPLAYED ?? 0).toBeGreaterThan(0)
  await site.gateway.ping(OPERATOR, id)
  expect(session.signal.aborted).toBe(false)
  const after = site.gateway.device(id).session!
  expect(after.since).toBe(before.since)
  expect(after.messagesIn).toBe(before.messagesIn)

  await session.close()
  await site.state(id, 'offline')
  await playBack()
  // A true device after it shows that the frames have been dealt with.
  await site.online(2)
  expect(site.gateway.device(id)).toMatchObject({ state: 'offline', session: null })
})

test('`mosquitto_sub -t #` shows no name, method or value', async () => {
  const site = await Site.start()
  const args = ['-p', String(site.broker.port()), '-t', '#', '-F', '%t %x']
  const listener = spawn('mosquitto_sub', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void listener.kill())
  let output = ''
  listener.stdout.on('data', (chunk) => (output += chunk))
  // The presence of the gateway is retained, so it is the first to come.
  await eventually(() => output).toContain('usmp/home/gw/')

  const secrets = [
    'Greenhouse-7',
    'soil_moisture',
    'telemetry',
    'describe',
    'identify',
    '21.625',
    'Acme Climate',
    'blink',
  ]
  const description = { name: 'Greenhouse-7', firmware: { product: 'Acme Climate', version: '9.8.7', chip: null } }
  const { id, peer, session } = await site.online(1, { ...description, methods: ['identify'] })
  await peer.notify('telemetry', { values: { soil_moisture: 21.625 } })
  await eventually(() => site.gateway.device(id).readings.soil_moisture?.value).toBe(21.625)
  await site.gateway.request(OPERATOR, id, { method: 'identify', params: { blink: true } })
  await session.close()
  await site.state(id, 'offline')
  await eventually(() => output.split('\n').filter((line) => line.includes('/up ')).length).toBeGreaterThan(5)
  listener.kill()
  await once(listener, 'close')

  const lines = output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  const told = lines.map(([topic, hex = '']) => `${topic} ${Buffer.from(hex, 'hex').toString('latin1')}`).join('\n')
  for (const secret of secrets) expect(told).not.toContain(secret)
  expect(told).toContain(topicOf(id, 'up'))
})

/** What the gateway says to a device: how many messages, and how long each is. A repeat of the same message says nothing new. */
function answersTo(id: string, capture: readonly Seen[]): number[] {
  const answers = capture.filter(({ topic }) => topic === topicOf(id, 'down')).map(({ payload }) => payload)
  return answers.filter((one, i) => !answers.slice(0, i).some((other) => other.equals(one))).map(({ length }) => length)
}

test('an unknown id, a wrong key and a revoked device see the same', async () => {
  const site = await Site.start()
  const known = await site.register(1)
  const revoked = await site.register(2)
  await site.gateway.revoke(ADMIN, revoked, { rev: site.gateway.device(revoked).rev })
  const unknown = deviceNumber(3)
  const capture = await site.capture()
  const failures = await Promise.all(
    [known, unknown, revoked].map((id) => failureOf(site.connect(id, OTHER_PSK, 2_000))),
  )
  for (const failure of failures) expect(failure).toMatchObject({ code: 'HANDSHAKE_TIMEOUT' })
  const answers = [known, unknown, revoked].map((id) => answersTo(id, capture))
  expect(answers[0]!.length).toBeGreaterThan(0)
  expect(answers[1]).toEqual(answers[0])
  expect(answers[2]).toEqual(answers[0])
})
