import { connectMqtt } from '@usmp/mqtt'
import { startEmbeddedBroker } from '@usmp/mqtt/embedded-broker'
import { connect, nodeClock, type Session, serialPort } from '@usmp/node'
import { deviceNumber } from '@usmp/testing'
import { Cable } from '@usmp/testing/cable'
import { expect, onTestFinished, test } from 'vitest'
import { ADMIN, newKey, OPERATOR, serve, testGateway, untilState } from '../support/gateway.js'

const CARRIERS = ['tcp', 'udp', 'websocket', 'serial', 'mqtt'] as const

test('one gateway takes devices on TCP, UDP, WebSocket, a serial line and MQTT at once, and cuts each of them off', async () => {
  const broker = await startEmbeddedBroker({ site: 'home', port: 0 })
  onTestFinished(() => broker.close())
  const cable = await Cable.plugged()
  const { gateway } = await testGateway({
    clock: nodeClock,
    now: Date.now,
    tcp: { port: 0 },
    udp: { port: 0 },
    websocket: { port: 0 },
    serial: serialPort(cable.far),
    mqtt: broker.gateway,
  })
  const addressOf = (carrier: string) =>
    gateway.system().listeners.find((listener) => listener.carrier === carrier)!.address
  const devices = await Promise.all(
    CARRIERS.map(async (carrier, i) => {
      const [deviceId, { psk, hex }] = [deviceNumber(i + 1), newKey()]
      await gateway.register(OPERATOR, { id: deviceId, psk: hex })
      const credentials = { deviceId, psk }
      const way: Record<typeof carrier, () => Promise<Session>> = {
        tcp: () => connect(`usmp://${addressOf('tcp')}`, credentials),
        udp: () => connect(`usmp+udp://${addressOf('udp')}`, credentials),
        websocket: () => connect(addressOf('websocket'), credentials),
        serial: () => connect(`serial://${cable.near}`, credentials),
        mqtt: () => connectMqtt({ broker: { url: broker.url }, site: 'home', ...credentials }),
      }
      return { carrier, deviceId, session: await way[carrier]() }
    }),
  )
  for (const { carrier, deviceId, session } of devices) {
    const peer = serve(session)
    await peer.notify('telemetry', { values: { n: 1 } })
    const { session: info } = await untilState(gateway, deviceId, 'online')
    expect(info).toMatchObject({ carrier })
    await expect.poll(() => gateway.device(deviceId).readings.n?.value, { timeout: 30_000 }).toBe(1)
    await gateway.revoke(ADMIN, deviceId, { rev: gateway.device(deviceId).rev })
    expect((await session.closed).code).toBe('CLOSED')
  }
})
