import { randomBytes } from 'node:crypto'
import { listenMqtt } from '@usmp/mqtt'
import { listen } from '@usmp/node'
import { buildCSensorImages, CSensor, CSlots, readSensorImage } from '@usmp/testing/c-programs'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { nextVisit, Publisher } from './update-gateway.js'

const id = 'aa:bb:cc:dd:00:07'
const psk = new Uint8Array(randomBytes(32))
const publisher = new Publisher(1)

beforeAll(() => buildCSensorImages(), 600_000)

const running: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

test('a C device takes an update through a broker, restarts into it, and confirms it', async () => {
  const broker = await Mosquitto.start()
  running.push(() => broker.stop())
  const server = await listen({ tcp: false, psk: { [id]: psk } })
  const listener = listenMqtt(server, { broker: { url: broker.url() }, site: 'home' })
  running.push(async () => {
    await server.close()
    await listener.close()
  })
  await listener.connected()
  const slots = new CSlots('old')
  running.push(() => slots.remove())
  const sensor = new CSensor(broker.url(), id, psk, slots.options(publisher.publicKey, 60), [], slots.launcher(30))
  running.push(() => sensor.stop())

  const image = readSensorImage('new')
  const manifest = publisher.sign(image)
  const visit = await nextVisit(server)
  await visit.send(image, manifest)
  await visit.apply(manifest)
  const after = await nextVisit(server)
  expect(await after.confirmed()).toMatchObject({ version: '1.1.0', counter: 1, rollback: true })
})
