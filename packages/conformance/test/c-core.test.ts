import { randomBytes } from 'node:crypto'
import { CipherSuite, type Session } from '@usmp/core'
import { connect, listen, type Server } from '@usmp/node'
import { buildCPeers, CPeer, cPrograms } from '@usmp/testing/c-programs'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'

const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))
const sizes = [0, 1, 452, 453, 1808]
const suites = [
  { name: 'AES-256-GCM', suite: CipherSuite.AES_256_GCM, option: 'aes' },
  { name: 'ChaCha20-Poly1305', suite: CipherSuite.CHACHA20_POLY1305, option: 'chacha' },
] as const
const backends = Object.keys(cPrograms) as (keyof typeof cPrograms)[]

beforeAll(() => buildCPeers(), 120_000)

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop()
})

function startC(backend: keyof typeof cPrograms, key: Uint8Array, ...args: string[]): CPeer {
  const peer = new CPeer(backend, key, args)
  running.push(peer)
  return peer
}

async function startServer(suite?: CipherSuite): Promise<Server> {
  const server = await listen({
    tcp: { host: '127.0.0.1', port: 0 },
    psk: { [deviceId]: psk },
    ...(suite ? { suite } : {}),
  })
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

function message(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 11 + size) & 0xff)
}

async function exchange(session: Session): Promise<void> {
  for (const size of sizes) {
    await session.send(message(size))
    expect(await session.receive()).toEqual(message(size))
  }
}

for (const backend of backends) {
  describe(`the C core on ${backend}`, () => {
    for (const { name, suite, option } of suites) {
      test(`as server: our client exchanges messages of all sizes with it under ${name}, pings and rekeys`, async () => {
        const peer = startC(backend, psk, '--listen', 'tcp:127.0.0.1:0', '--suite', option, '--echo', '--once')
        const port = await peer.says('listening')
        const session = await connect(`usmp://127.0.0.1:${port}`, { deviceId, psk, suite })
        expect((await peer.says('connected')).split(' ')[1]).toBe(session.sessionId)
        await exchange(session)
        expect(await session.ping()).toBeGreaterThan(0)
        await session.rekey()
        await exchange(session)
        await session.close()
        expect(await peer.says('closed')).toMatch(/CLOSED/)
      })

      test(`as client: exchanges 50 messages with our server under ${name}, with rekeys between them`, async () => {
        const server = await startServer(suite)
        const ended = echo(server)
        const to = `tcp:127.0.0.1:${server.port}`
        const options = ['--exchange', '50', '--sizes', '700', '--rekey-every', '7', '--ping']
        const peer = startC(backend, psk, '--connect', to, '--device-id', deviceId, '--suite', option, ...options)
        expect(await peer.says('exchanged')).toBe('50')
        expect(await peer.exitCode()).toBe(0)
        expect(await ended).toBe('CLOSED')
      })
    }

    test('as client with a wrong key: refused, and our server says AUTH_FAILED', async () => {
      const server = await startServer()
      const refused = new Promise<string>((resolve) =>
        server.addEventListener('refused', ({ error }) => resolve(error.code)),
      )
      const to = `tcp:127.0.0.1:${server.port}`
      const peer = startC(backend, new Uint8Array(randomBytes(32)), '--connect', to, '--device-id', deviceId)
      expect(await peer.says('failed')).toMatch(/HANDSHAKE_REFUSED/)
      expect(await refused).toBe('AUTH_FAILED')
    })

    test('as server: our client with a wrong key is refused after its proof', async () => {
      const peer = startC(backend, psk, '--listen', 'tcp:127.0.0.1:0', '--once')
      const port = await peer.says('listening')
      const attempt = connect(`usmp://127.0.0.1:${port}`, { deviceId, psk: new Uint8Array(randomBytes(32)) })
      await expect(attempt).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED', awaited: 4 })
    })
  })
}

test('both ends rekey again and again, also at the same moment: nothing is lost between TypeScript and C', async () => {
  const server = await startServer()
  const to = `tcp:127.0.0.1:${server.port}`
  const options = ['--exchange', '8', '--sizes', '1000', '--rekey-every', '1']
  const peer = startC('psa', psk, '--connect', to, '--device-id', deviceId, ...options)
  let rekeys = 0
  for await (const session of server) {
    for await (const message of session) {
      const rekeying = session.rekey().then(() => rekeys++)
      await session.send(message)
      await rekeying
    }
    break
  }
  expect(await peer.says('exchanged')).toBe('8')
  expect(await peer.exitCode()).toBe(0)
  expect(rekeys).toBe(8)
})

test('ten rekeys of ours in a row keep under the flood limit of the C core', async () => {
  const peer = startC('psa', psk, '--listen', 'tcp:127.0.0.1:0', '--echo', '--once')
  const port = await peer.says('listening')
  const session = await connect(`usmp://127.0.0.1:${port}`, { deviceId, psk })
  for (let round = 0; round < 10; round++) {
    const rekeyed = session.rekey()
    await session.send(message(round))
    expect(await session.receive()).toEqual(message(round))
    await rekeyed
  }
  await session.close()
  expect(await peer.says('closed')).toMatch(/CLOSED/)
})
