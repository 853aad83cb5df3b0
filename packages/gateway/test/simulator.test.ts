import { listenMqtt } from '@usmp/mqtt'
import { startEmbeddedBroker } from '@usmp/mqtt/embedded-broker'
import { listen } from '@usmp/node'
import { RpcError, rpc } from '@usmp/rpc'
import { deviceNumber, OTHER_PSK, PSK, until } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deviceApi, gatewayApi } from '../src/device-api.ts'
import { sensorApi } from '../src/simulator/sensor-api.ts'
import {
  connectDirectly,
  connectOverMqtt,
  type FleetEvent,
  measure,
  placeNames,
  SELF_TEST_FAILED,
  startFleet,
} from '../src/simulator.ts'

const DAY = 86_400_000
const NOON = 20_000 * DAY + DAY / 2

describe('what a sensor measures', () => {
  test('is the same for the same moment, and not the same at two sensors', () => {
    expect(measure('Room sensor', deviceNumber(1), NOON)).toEqual(measure('Room sensor', deviceNumber(1), NOON))
    expect(measure('Room sensor', deviceNumber(1), NOON)).not.toEqual(measure('Room sensor', deviceNumber(2), NOON))
  })

  test.each(placeNames)('%s: fits what a gateway takes, moves within a minute, and makes no jumps', (place) => {
    const { temperature: at = 0 } = measure(place, deviceNumber(3), NOON)
    const minute = Array.from({ length: 60 }, (_, s) => measure(place, deviceNumber(3), NOON + s * 1000))
    for (const values of minute) {
      const told = gatewayApi.notifications.telemetry['~standard'].validate({ values })
      expect(told).not.toHaveProperty('issues')
    }
    const temperatures = minute.map(({ temperature }) => Number(temperature))
    expect(new Set(temperatures).size).toBeGreaterThan(10)
    for (const temperature of temperatures) expect(Math.abs(temperature - Number(at))).toBeLessThan(2)
    for (const [i, t] of temperatures.entries()) if (i > 0) expect(Math.abs(t - temperatures[i - 1]!)).toBeLessThan(0.3)
  })

  test('is warmer by day than by night, in the mean of some days', () => {
    const mean = (hour: number) => {
      const days = Array.from({ length: 20 }, (_, day) =>
        measure('Outdoor sensor', deviceNumber(4), (20_000 + day) * DAY + hour * 3_600_000),
      )
      return days.reduce((sum, { temperature }) => sum + Number(temperature), 0) / days.length
    }
    expect(mean(15) - mean(3)).toBeGreaterThan(5)
  })

  test('stays within what there is, over a year', () => {
    for (let at = NOON; at < NOON + 365 * DAY; at += 3_600_000 * 7) {
      const room = measure('Room sensor', deviceNumber(5), at)
      expect(room.battery).toBeGreaterThanOrEqual(0)
      expect(room.battery).toBeLessThanOrEqual(100)
      expect(room.humidity).toBeGreaterThan(10)
      expect(room.humidity).toBeLessThan(90)
      expect(measure('Greenhouse sensor', deviceNumber(5), at).light).toBeGreaterThanOrEqual(0)
    }
  })
})

/** Three sensors over TCP at a server that knows the key of each. */
async function fleet(psk: Uint8Array = PSK) {
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => PSK })
  const stop = new AbortController()
  const events: FleetEvent[] = []
  const running = startFleet({
    sensors: [1, 2, 3].map((n) => ({ deviceId: deviceNumber(n), psk })),
    interval: 20,
    connect: connectDirectly(`usmp://${server.address}`).connect,
    onEvent: (event) => events.push(event),
    signal: stop.signal,
  })
  onTestFinished(async () => {
    stop.abort()
    await running.ended
    await server.close()
  })
  return { server, running, events, stop }
}

/** The gateway's end of the next session. */
async function nextPeer(server: Awaited<ReturnType<typeof listen>>) {
  const told: Record<string, unknown>[] = []
  for await (const session of server) {
    const peer = rpc(session, {
      serves: gatewayApi,
      calls: { requests: { ...sensorApi.requests, ...deviceApi.requests } },
      notifications: { telemetry: ({ values }) => void told.push(values) },
    })
    return { session, peer, told }
  }
  throw new Error('no session came')
}

describe('a fleet', () => {
  test('reports, describes itself, obeys, and fails where it should', async () => {
    const { server, running, events } = await fleet()
    const { session, peer, told } = await nextPeer(server)
    await until(() => told.length > 2)
    const described = await peer.request('describe', {})
    expect(Object.keys(described.units!).every((name) => name in told[0]!)).toBe(true)
    expect(described.methods).toEqual(['identify', 'set_interval', 'self_test'])
    expect(await peer.request('identify', {})).toEqual({ blinking: 10 })
    expect(await peer.request('set_interval', { seconds: 3600 })).toEqual({ seconds: 3600 })
    const before = told.length
    await expect(peer.request('self_test', {})).rejects.toMatchObject({ code: SELF_TEST_FAILED })
    await expect(peer.request('self_test', {})).rejects.toBeInstanceOf(RpcError)
    expect(told.length).toBeLessThanOrEqual(before + 1)
    await until(() => running.online === 3)
    const { deviceId } = session
    expect(events).toContainEqual({ deviceId, type: 'identify', seconds: 10 })
    expect(events).toContainEqual({ deviceId, type: 'interval', seconds: 3600 })
  })

  test('comes back when its session ends, until it is stopped', async () => {
    const { server, running, events, stop } = await fleet()
    const { session } = await nextPeer(server)
    await session.close()
    await until(() => events.some(({ type, deviceId }) => type === 'offline' && deviceId === session.deviceId))
    await until(() => running.online === 3)
    stop.abort()
    await running.ended
    expect(running.online).toBe(0)
    expect(events.filter(({ type }) => type === 'failed')).toEqual([])
  })

  test('with a wrong key it goes on knocking', async () => {
    const { server, running } = await fleet(OTHER_PSK)
    let refused = 0
    await new Promise<void>((resolve) => {
      server.addEventListener('refused', () => {
        // More than one of each of the three.
        if (++refused > 3) resolve()
      })
    })
    expect(running.online).toBe(0)
  })

  test.each([false, true])('over an MQTT broker, with one connection for all: %s', async (shared) => {
    const broker = await startEmbeddedBroker({ site: 'home', port: 0 })
    const server = await listen({ tcp: false, psk: () => PSK })
    const listener = listenMqtt(server, { broker: broker.gateway, site: 'home' })
    const stop = new AbortController()
    const connector = connectOverMqtt({ broker: { url: broker.url }, site: 'home', shared })
    const running = startFleet({
      sensors: [1, 2, 3].map((n) => ({ deviceId: deviceNumber(n), psk: PSK })),
      interval: 50,
      connect: connector.connect,
      signal: stop.signal,
    })
    onTestFinished(async () => {
      stop.abort()
      await running.ended
      await connector.close()
      await server.close()
      await listener.close()
      await broker.close()
    })
    const { told } = await nextPeer(server)
    await until(() => told.length > 2 && running.online === 3)
  })
})
