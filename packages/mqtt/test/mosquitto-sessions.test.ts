import { listen } from '@usmp/node'
import { DEVICE_ID, PSK, textOf } from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { expect, test } from 'vitest'
import { connectMqtt, listenMqtt } from '../src/index.ts'

test('smoke', async () => {
  const broker = await Mosquitto.start()
  const server = await listen({ tcp: false, psk: () => PSK })
  const listener = listenMqtt(server, { broker: { url: broker.url() }, site: 'home' })
  await listener.connected()
  const device = await connectMqtt({ broker: { url: broker.url() }, site: 'home', deviceId: DEVICE_ID, psk: PSK })
  const [session] = server.sessions
  await device.send('hi')
  expect(textOf(await session!.receive())).toBe('hi')
  await server.close()
  await listener.close()
  expect((await device.closed).code).toBe('CLOSED')
  await broker.stop()
})
