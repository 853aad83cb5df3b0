import type { Session } from '@usmp/core'
import { DEVICE_ID, PSK, SimulatedClock, textOf, turns } from '@usmp/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { nodeClock } from '../src/clock.ts'
import { type ConnectOptions, connect } from '../src/connect.ts'
import type { ListenOptions } from '../src/listen-options.ts'
import { listen, type Server } from '../src/server.ts'
import { LOOPBACK } from './network.ts'

/** How a device comes to a server. */
const WAYS: Record<string, { options: Partial<ListenOptions>; url: (server: Server) => string }> = {
  TCP: { options: { tcp: { host: LOOPBACK, port: 0 } }, url: (server) => `usmp://${server.address}` },
  WebSocket: { options: { websocket: { host: LOOPBACK, port: 0 } }, url: (server) => server.websocketUrl },
  UDP: {
    options: { udp: { host: LOOPBACK, port: 0 } },
    url: (server) => `usmp+udp://${LOOPBACK}:${server.udpPort}`,
  },
}

/** Real sockets of the public functions, on a clock of the test: sessions of both ends take their time from it. */
function simulateTime(): SimulatedClock {
  const clock = new SimulatedClock()
  for (const name of ['now', 'setTimer', 'clearTimer'] as const) {
    vi.spyOn(nodeClock, name).mockImplementation(clock[name].bind(clock) as never)
  }
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  return clock
}

async function meet(
  way: string,
  options: Partial<ConnectOptions> = {},
): Promise<{ device: Session; gateway: Session }> {
  const server = await listen({ ...WAYS[way]!.options, psk: () => PSK } as ListenOptions)
  const device = await connect(WAYS[way]!.url(server), { deviceId: DEVICE_ID, psk: PSK, ...options })
  const { value: gateway } = await server[Symbol.asyncIterator]().next()
  onTestFinished(async () => {
    vi.restoreAllMocks()
    await device.close()
    await server.close()
  })
  return { device, gateway: gateway as Session }
}

describe.each(Object.keys(WAYS))('all defaults, a gateway that needs 2.5 s for each message, %s', (way) => {
  test('a device that sends 80 readings at once keeps its session, and every reading arrives', async () => {
    const clock = simulateTime()
    const { device, gateway } = await meet(way)
    const readings = Array.from({ length: 80 }, (_, i) => `reading ${i}`)
    const sent = Promise.all(readings.map((reading) => device.send(reading)))
    const got: (string | undefined)[] = []
    const loop = (async () => {
      for await (const message of gateway) {
        got.push(textOf(message))
        await new Promise<void>((resolve) => clock.setTimer(resolve, 2_500))
      }
    })()
    loop.catch(() => {})
    for (let waited = 0; got.length < readings.length && waited < 600_000; waited += 500) {
      clock.advance(500)
      await turns(3)
      expect([device.signal.reason, gateway.signal.reason]).toEqual([undefined, undefined])
    }
    await sent
    expect(got).toEqual(readings)
  })

  test('the same when it is the device that is slow, over five minutes', async () => {
    const clock = simulateTime()
    const { device, gateway } = await meet(way)
    for (let i = 0; i < 80; i++) void gateway.send(`command ${i}`)
    for (let waited = 0; waited < 300_000; waited += 500) {
      clock.advance(500)
      await turns(2)
      expect([device.signal.reason, gateway.signal.reason]).toEqual([undefined, undefined])
    }
    for (let i = 0; i < 80; i++) {
      expect(textOf(await device.receive())).toBe(`command ${i}`)
      // What was put off on datagrams comes with its next repeat.
      if (i % 8 === 0) {
        clock.advance(5_700)
        await turns(5)
      }
    }
  })
})
