import type { Session } from '@usmp/core'
import { DEVICE_ID, PSK, textOf } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../src/connect.ts'
import type { ListenOptions } from '../src/listen-options.ts'
import { listen, type Server } from '../src/server.ts'
import { LOOPBACK } from './network.ts'

const WAYS: [string, Partial<ListenOptions>, (server: Server) => string][] = [
  ['TCP', { tcp: { host: LOOPBACK, port: 0 } }, (server) => `usmp://${server.address}`],
  ['WebSocket', { websocket: { host: LOOPBACK, port: 0 } }, (server) => server.websocketUrl],
  ['UDP', { udp: { host: LOOPBACK, port: 0 } }, (server) => `usmp+udp://${LOOPBACK}:${server.udpPort}`],
]

/** Blocks the event loop, as a long computation does, once everything that was written is in the system's hands. */
async function blockFor(ms: number): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise<void>((resolve) => process.nextTick(resolve))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe.each(WAYS)('an event loop that is blocked for longer than the idle limit, %s', (_, options, url) => {
  test('the messages that wait are read before the silence is judged, and the session lives', async () => {
    const server = await listen({ ...options, psk: () => PSK, idleTimeout: 1_000 } as ListenOptions)
    const client = await connect(url(server), {
      deviceId: DEVICE_ID,
      psk: PSK,
      keepalive: 200,
      idleTimeout: 0,
      // So that all of them wait behind the stall.
      datagram: { maxInFlight: 8 },
    })
    const { value } = await server[Symbol.asyncIterator]().next()
    const session = value as Session
    onTestFinished(async () => {
      await client.close()
      await server.close()
    })
    await client.ping()
    for (let i = 0; i < 8; i++) void client.send(`reading ${i}`)
    await blockFor(1_300)
    for (let i = 0; i < 8; i++) expect(textOf(await session.receive())).toBe(`reading ${i}`)
    expect(session.signal.aborted).toBe(false)
    await client.ping()
  })
})
