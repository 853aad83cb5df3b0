import { bytesOf, codeOf, DEVICE_ID_BYTES as DEVICE_ID, PSK, pseudoRandom, turns } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Connection } from '../src/connection.ts'
import { Session } from '../src/session.ts'
import type { Transport, TransportSink } from '../src/transport.ts'
import { TwoSessions } from './two-sessions.ts'

/** Two ends whose handshake lacks nothing but SESSION_OK, and what hands that to the client. */
async function beforeSessionOk() {
  const world = new TwoSessions('message')
  onTestFinished(() => world.dispose())
  world.connect()
  const { client, server } = world.sides!
  const deliver = (from: typeof client, to: typeof client) => {
    for (const frame of from.transport.out.splice(0)) to.transport.sink!.receive(frame)
  }
  await world.settle()
  // HELLO, HELLO_RETRY, HELLO with its cookie, CHALLENGE, HELLO_ACK.
  for (let frames = 0; frames < 5; frames++) {
    if (frames % 2 === 0) deliver(client, server)
    else deliver(server, client)
    await world.settle()
  }
  expect([client.session, server.session]).toEqual([undefined, expect.anything()])
  return { world, client, deliverSessionOk: () => deliver(server, client) }
}

describe('the signal of a handshake', () => {
  test('ends it with ABORTED', async () => {
    const { world, client } = await beforeSessionOk()
    client.connecting.abort()
    await world.settle()
    expect(client.reason?.code).toBe('ABORTED')
  })

  test('does not end the session that has begun, also before its caller has it', async () => {
    const { world, client, deliverSessionOk } = await beforeSessionOk()
    deliverSessionOk()
    client.connecting.abort()
    await world.settle()
    expect([client.session, client.reason]).toEqual([expect.anything(), undefined])
  })

  test('leaves a wrong proof the reason of the end, where one alone does not end the handshake', async () => {
    let sink: TransportSink | undefined
    const written: Uint8Array[] = []
    const transport: Transport = {
      kind: 'serial',
      address: 'by hand',
      open: (given) => {
        sink = given
      },
      write: (frames) => written.push(...frames) > 0,
      pause() {},
      resume() {},
      async close() {},
      abort() {},
    }
    const caller = new AbortController()
    const authorize = () => ({ psk: bytesOf(32, 5) })
    const accepting = codeOf(Session.accept(transport, { random: pseudoRandom(1), authorize, signal: caller.signal }))
    const device = Connection.client({ kind: 'serial', random: pseudoRandom(2), deviceId: DEVICE_ID, psk: PSK }, 0)
    for (let frames = 0; frames < 2; frames++) {
      sink!.receive(device.pollTransmit()!)
      await turns()
      for (const bytes of written.splice(0)) device.receive(bytes, 0)
    }
    caller.abort()
    expect(await accepting).toBe('AUTH_FAILED')
  })
})
