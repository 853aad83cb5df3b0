import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SimulatedClock, turns, until } from '@usmp/testing'
import * as v from 'valibot'
import { expect, onTestFinished, test } from 'vitest'
import { type AlarmChange, Alarms, CALM_TIME } from '../../src/alarms/alarms.js'
import { Webhook } from '../../src/alarms/webhook.js'
import { type AlarmRule, alarmRule, MAX_ALARM_AFTER, type Reading } from '../../src/contract/device.js'
import { Counters, type Limit } from '../../src/counters.js'
import { GatewayTime } from '../../src/time.js'
import {
  approved,
  connectDevice,
  deviceNumber,
  newKey,
  OPERATOR,
  pass,
  serve,
  testGateway,
  untilState,
} from '../support/gateway.js'

const ID = deviceNumber(1)
const HOT: AlarmRule = { kind: 'above', reading: 't', limit: 30 }
const GONE: AlarmRule = { kind: 'offline', after: 60_000 }

function makeAlarms() {
  const clock = new SimulatedClock()
  const changes: AlarmChange[] = []
  const alarms = new Alarms(new GatewayTime(clock, () => clock.now()), (change) => void changes.push(change))
  const read = (value: Reading['value'], rules = [HOT]) =>
    alarms.onReadings({ id: ID, rules }, new Map([['t', { value, at: 0, unit: null }]]))
  return { clock, alarms, read, types: () => changes.map(({ type }) => type) }
}

test('a reading that flutters around its limit rings once, and is calm after a minute of good values', () => {
  const { clock, alarms, read, types } = makeAlarms()
  for (let i = 0; i < 100; i++) {
    read(i % 2 === 0 ? 31 : 29)
    clock.advance(CALM_TIME / 2)
  }
  expect(types()).toEqual(['raised'])
  expect(alarms.active(ID)).toMatchObject([{ rule: HOT, value: 31 }])
  read('hot')
  read(30)
  clock.advance(CALM_TIME)
  expect([types(), alarms.active(ID), clock.pending]).toEqual([['raised', 'cleared'], [], 0])
})

test('silence rings after its time, and ends with the next session; a rule that is gone is quiet', () => {
  const { clock, alarms, types } = makeAlarms()
  const tell = (state: 'online' | 'offline' | 'unknown', rules: AlarmRule[] = [GONE]) =>
    alarms.onDevice({ id: ID, rules, state })
  tell('offline')
  clock.advance(59_999)
  tell('online')
  clock.advance(60_000)
  tell('unknown')
  clock.advance(60_000)
  expect(types()).toEqual([])
  tell('offline')
  tell('offline')
  clock.advance(60_000)
  tell('offline')
  expect(types()).toEqual(['raised'])
  tell('online')
  tell('offline')
  clock.advance(60_000)
  tell('offline', [])
  expect([types(), clock.pending]).toEqual([['raised', 'cleared', 'raised', 'cleared'], 0])
})

/** Another program, which hears of alarms. */
async function listener(answer: (response: ServerResponse, n: number) => void) {
  const heard: { body: string; signature: string | undefined }[] = []
  const server = createServer((request: IncomingMessage, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      heard.push({ body, signature: request.headers['x-usmp-signature'] as string | undefined })
      answer(response, heard.length)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard }
}

test('an alarm of a device is shown, and told to another program under a signature', async () => {
  const { url, heard } = await listener((response) => response.writeHead(204).end())
  const made = await testGateway({ webhook: { url, secret: 'between us' } })
  const { gateway } = made
  const key = newKey()
  const { rev } = await approved(gateway, ID, key, '<i>Oven</i>')
  await gateway.change(OPERATOR, ID, { rev, alarmRules: [HOT, GONE] })
  const session = await connectDevice(gateway, ID, key.psk)
  const peer = serve(session)
  await untilState(gateway, ID, 'online')
  await peer.notify('telemetry', { values: { t: 31 } })
  await until(() => heard.length === 1)
  expect(gateway.device(ID).alarms).toMatchObject([{ rule: HOT, value: 31 }])
  const { body, signature } = heard[0]!
  expect(signature).toBe(`sha256=${createHmac('sha256', 'between us').update(body).digest('hex')}`)
  expect(JSON.parse(body)).toMatchObject({
    type: 'raised',
    site: 'home',
    device: { id: ID, name: '<i>Oven</i>' },
    rule: HOT,
  })
  await session.close()
  await untilState(gateway, ID, 'offline')
  await pass(made, 60_000)
  await until(() => heard.length === 2)
  expect(gateway.device(ID).alarms.map(({ rule }) => rule)).toEqual([HOT, GONE])
})

test('a notice is tried four times, in order, and follows no redirect', async () => {
  const { url, heard } = await listener((response, n) => {
    if (n <= 4) response.writeHead(n % 2 ? 500 : 302, { location: '/elsewhere' }).end()
    else response.writeHead(200).end()
  })
  const clock = new SimulatedClock()
  const limits = new Counters<Limit>()
  const webhook = new Webhook({ url }, new GatewayTime(clock, () => clock.now()), limits)
  onTestFinished(() => webhook.close())
  webhook.send({ n: 1 })
  webhook.send({ n: 2 })
  for (const pause of [1_000, 5_000, 25_000]) {
    await until(() => clock.delays.includes(pause))
    clock.advance(pause)
  }
  await until(() => heard.length === 5)
  expect(heard.map(({ body }) => JSON.parse(body).n)).toEqual([1, 1, 1, 1, 2])
  expect(limits.get('webhook-dropped')).toBe(1)
  for (let n = 0; n < 300; n++) webhook.send({ n })
  expect(limits.get('webhook-dropped')).toBeGreaterThanOrEqual(199)
  webhook.close()
  await turns()
  expect(clock.pending).toBe(0)
})

test('a rule waits for no longer than a timer can, which would ring at once', () => {
  expect(MAX_ALARM_AFTER).toBeLessThan(2 ** 31)
  expect(v.is(alarmRule, { kind: 'offline', after: MAX_ALARM_AFTER })).toBe(true)
  expect(v.is(alarmRule, { kind: 'offline', after: 2 ** 31 })).toBe(false)
})
