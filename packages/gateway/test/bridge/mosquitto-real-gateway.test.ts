import { Mosquitto } from '@usmp/testing/mosquitto'
import { connectAsync } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { HomeAssistantBridge } from '../../src/bridge/home-assistant.js'
import { Site } from '../hostile/site.js'
import { ADMIN, deviceNumber, knock, newKey, OPERATOR } from '../support/gateway.js'
import { parseDiscovery } from './discovery-schema.js'

/** What a broker has retained now, and every message on the way there. */
async function watch(url: string) {
  const retained = new Map<string, string>()
  const removed: string[] = []
  const client = await connectAsync(url)
  onTestFinished(() => client.endAsync(true))
  client.on('message', (topic, payload) => {
    if (payload.length > 0) retained.set(topic, payload.toString())
    else if (retained.delete(topic)) removed.push(topic)
  })
  await client.subscribeAsync('#')
  const find = (pattern: RegExp) => [...retained].find(([topic]) => pattern.test(topic))?.[1]
  const sees = (pattern: RegExp, value: unknown) => expect.poll(() => find(pattern), { timeout: 60_000 }).toEqual(value)
  return { removed, find, sees }
}

test('what a device says over one broker reaches Home Assistant over another, also when its hardware is replaced', async () => {
  const site = await Site.start()
  const home = await Mosquitto.start()
  onTestFinished(() => home.stop())
  const bridge = new HomeAssistantBridge(site.gateway, { broker: { url: home.url() } })
  onTestFinished(() => bridge.close())
  const seen = await watch(home.url())

  const { id, peer } = await site.online(1, { name: 'Kitchen', units: { temperature: '°C' } })
  await peer.notify('telemetry', { values: { temperature: 21.5 } })
  await seen.sees(/reading\/temperature$/, '21.5')
  await seen.sees(/0001\/availability$/, 'online')
  const config = () => parseDiscovery(seen.find(/^homeassistant\/device\/usmp_home_020000000001\/config$/) ?? '{}')
  expect(config().components.sensor_temperature).toMatchObject({ name: 'temperature' })

  const [by, key] = [deviceNumber(9), newKey()]
  await site.gateway.openJoin(OPERATOR, { minutes: 5 })
  await knock(site.gateway, by, key.psk)
  await site.state(by, 'waiting')
  const { proofId } = site.gateway.device(by).knock!
  await site.gateway.replace(ADMIN, id, { rev: site.gateway.device(id).rev, by, proofId, psk: key.hex })
  await expect.poll(() => config().device.serial_number, { timeout: 60_000 }).toBe(by)
  expect(seen.removed.filter((topic) => topic.endsWith('/config'))).toEqual([])

  await site.gateway.revoke(ADMIN, by, { rev: site.gateway.device(by).rev })
  await seen.sees(/usmp_home_020000000001\/config$/, undefined)
})
