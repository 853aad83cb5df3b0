import { randomBytes } from 'node:crypto'
import { connect, listen, type Server } from '@usmp/node'
import { LossyRelay, type RelayConditions } from '@usmp/testing'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'

const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const sizes = [0, 1, 452, 453, 1808]

beforeAll(() => buildCPeers(), 120_000)

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop()
})

function startC(key: Uint8Array, ...args: string[]): CPeer {
  const peer = new CPeer('psa', key, args)
  running.push(peer)
  return peer
}

async function startServer(handshakeTimeout = 10_000): Promise<Server> {
  const server = await listen({ udp: { host: '127.0.0.1', port: 0 }, psk: { [deviceId]: psk }, handshakeTimeout })
  running.push({ stop: () => server.close() })
  return server
}

/** Sends back what it gets, until the peer says BYE; the reason of the end. */
async function echo(server: Server): Promise<string> {
  for await (const session of server) {
    for await (const message of session) await session.send(message)
    return (await session.closed).code
  }
  return 'no session'
}

async function through(port: number, conditions: RelayConditions | undefined): Promise<number> {
  if (!conditions) return port
  const relay = await LossyRelay.start(port, conditions)
  console.log(`relay: seed ${relay.seed}`)
  running.push(relay)
  return relay.port
}

const message = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 11 + size) & 0xff)

const networks: [string, RelayConditions | undefined][] = [
  ['a good network', undefined],
  ['a bad one', { loss: 0.05, duplication: 0.05, reordering: 0.05, corruption: 0.02, delay: 5, jitter: 3, seed: 7 }],
]

describe.each(networks)('the C core over UDP and %s', (_, conditions) => {
  test('as server: messages of all sizes both ways, one under way, a PING, a BYE', async () => {
    const peer = startC(psk, '--listen', 'udp:127.0.0.1:0', '--echo', '--once')
    const port = await through(Number(await peer.says('listening')), conditions)
    const session = await connect(`usmp+udp://127.0.0.1:${port}`, { deviceId, psk, datagram: { maxInFlight: 1 } })
    running.push({ stop: () => session.close() })
    expect((await peer.says('connected')).split(' ')[1]).toBe(session.sessionId)
    for (const size of sizes) {
      await session.send(message(size))
      expect(await session.receive()).toEqual(message(size))
    }
    expect(await session.ping()).toBeGreaterThan(0)
    await session.rekey()
    for (const size of sizes) {
      await session.send(message(size))
      expect(await session.receive()).toEqual(message(size))
    }
    await session.close()
    expect(await peer.says('closed')).toMatch(/CLOSED/)
  })

  test('as client: 50 messages there and back, with rekeys between them', async () => {
    const server = await startServer()
    const ended = echo(server)
    const port = await through(server.udpPort, conditions)
    const options = ['--exchange', '50', '--sizes', '700', '--rekey-every', '7', '--ping']
    const peer = startC(psk, '--connect', `udp:127.0.0.1:${port}`, '--device-id', deviceId, ...options)
    expect(await peer.says('exchanged')).toBe('50')
    expect(await peer.exitCode()).toBe(0)
    expect(await ended).toBe('CLOSED')
  })

  test('as server: several messages of ours under way all come back', async () => {
    const peer = startC(psk, '--listen', 'udp:127.0.0.1:0', '--echo', '--once')
    const port = await through(Number(await peer.says('listening')), conditions)
    const session = await connect(`usmp+udp://127.0.0.1:${port}`, { deviceId, psk })
    running.push({ stop: () => session.close() })
    const sending = (async () => {
      for (let i = 0; i < 60; i++) await session.send(message(i))
    })()
    const receiving = (async () => {
      const lengths: number[] = []
      while (lengths.length < 60) lengths.push((await session.receive())!.length)
      return lengths
    })()
    const [lengths] = await Promise.all([receiving, sending])
    // The C core hands on as it arrives.
    expect(lengths.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i))
  })
})

test('a C client with a wrong key is not let in, and our server says AUTH_FAILED', async () => {
  const server = await startServer(2_000)
  const refused = new Promise<string>((resolve) =>
    server.addEventListener('refused', ({ error }) => resolve(error.code)),
  )
  const to = `udp:127.0.0.1:${server.udpPort}`
  startC(new Uint8Array(randomBytes(32)), '--connect', to, '--device-id', deviceId)
  expect(await refused).toBe('AUTH_FAILED')
})
