import { connectMqtt, listenMqtt } from '@usmp/mqtt'
import { listen } from '@usmp/node'
import { DEVICE_ID, PSK } from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { expect, onTestFinished, test } from 'vitest'
import { expectResumed, updateOver } from './support/real.ts'

test('an update over MQTT, cut once in the midst', async () => {
  const broker = await Mosquitto.start()
  onTestFinished(() => broker.stop())
  const server = await listen({ tcp: false, psk: () => PSK })
  const listener = listenMqtt(server, { broker: { url: broker.url() }, site: 'home' })
  onTestFinished(async () => {
    await server.close()
    await listener.close()
  })
  await listener.connected()
  const served = await updateOver(server, () =>
    connectMqtt({ broker: { url: broker.url() }, site: 'home', deviceId: DEVICE_ID, psk: PSK }),
  )
  expectResumed(served)
  expect(served.length).toBeGreaterThanOrEqual(3)
})
