import { connectMqtt } from '@usmp/mqtt'
import { deviceNumber } from '@usmp/testing'
import { expect, test } from 'vitest'
import { eventually, Site, topicOf } from '../hostile/site.js'
import { newKey, OPERATOR } from '../support/gateway.js'

test('a device that nobody knows knocks over a broker, is approved, and is told to come in at once', async () => {
  const site = await Site.start()
  const { gateway } = site
  const [id, key] = [deviceNumber(9), newKey()]
  const broker = { url: site.broker.url() }
  const tryOnce = () =>
    connectMqtt({ broker, site: 'home', deviceId: id, psk: key.psk, handshakeTimeout: 3_000 }).catch(() => undefined)
  await gateway.openJoin(OPERATOR, { minutes: 5 })
  const first = tryOnce()
  // The row is there long before the device has given up.
  const { knock } = await site.state(id, 'waiting')
  expect(knock).toMatchObject({ carrier: 'mqtt', proven: false, count: 1 })
  const seen = await site.capture()
  await gateway.approve(OPERATOR, id, { proofId: knock!.proofId, psk: key.hex })
  await eventually(() => seen.filter(({ payload }) => payload.length === 0).map(({ topic }) => topic)).toEqual([
    topicOf(id, 'down'),
  ])
  const session = (await first) ?? (await tryOnce())
  const device = await site.state(id, 'online')
  expect(device.session).toMatchObject({ carrier: 'mqtt' })
  expect(gateway.system()).toMatchObject({ sessions: 1, broker: { state: 'connected', url: site.broker.url() } })
  await session!.close()
})

test('a will makes the gateway ask the device at once; one that answers stays online', async () => {
  const site = await Site.start()
  const { id, session } = await site.online(1)
  await eventually(() => site.gateway.device(id).session?.roundTrips?.recent.length).toBe(1)
  const attacker = await site.attacker()
  await attacker.publishAsync(topicOf(id, 'up').replace(/up$/, 'lwt'), '')
  await eventually(() => site.gateway.device(id).session?.roundTrips?.recent.length).toBe(2)
  expect([site.gateway.device(id).state, session.signal.aborted]).toEqual(['online', false])
})
