// A device that restarts and comes back from the same address and port, while the server still has its session.
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Session } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { connect, listen, nodeClock, nodeProvider, nodeRandom, type Server } from '@usmp/node'
import { udpTransport } from '@usmp/node/internal'
import { LossyRelay } from '@usmp/testing'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { afterEach, beforeAll, expect, test } from 'vitest'

const host = '127.0.0.1'
const deviceId = 'aa:bb:cc:dd:ee:ff'
const deviceIdBytes = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)
const neighbourId = 'aa:bb:cc:dd:ee:00'
const psk = new Uint8Array(randomBytes(32))
/** How often the device is started. */
const BOOTS = 4

beforeAll(() => buildCPeers(), 120_000)

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop()
})

async function startServer(): Promise<{ server: Server; refusals: string[] }> {
  const server = await listen({ udp: { host, port: 0 }, psk: { [deviceId]: psk, [neighbourId]: psk } })
  running.push({ stop: () => server.close() })
  const refusals: string[] = []
  server.addEventListener('refused', ({ error }) => refusals.push(error.code))
  return { server, refusals }
}

async function next(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('the server was closed')
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Each way once. */
async function roundTrip(one: Session, other: Session): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const message = new Uint8Array(randomBytes(700))
    await from.send(message)
    expect(await to.receive()).toEqual(message)
  }
}

/** A session of the device, as the server has it, and what tells that the device hears and is heard. */
interface Boot {
  readonly session: Session
  talk(): Promise<void>
  /** Gone without a word. */
  die(): Promise<void>
}

async function restartAgainAndAgain(server: Server, refusals: string[], boot: () => Promise<Boot>): Promise<void> {
  const arrival = next(server)
  const neighbour = await connect(`usmp+udp://${host}:${server.udpPort}`, { deviceId: neighbourId, psk })
  running.push({ stop: () => neighbour.close() })
  const neighbourThere = await arrival
  const sessions: Session[] = []
  for (let n = 0; n < BOOTS; n++) {
    const before = Date.now()
    const { session, talk, die } = await boot()
    // Not the idle limit of 60 s has let it in.
    expect(Date.now() - before).toBeLessThan(20_000)
    const older = sessions.at(-1)
    sessions.push(session)
    if (older) expect((await older.closed).code).toBe('REPLACED')
    await talk()
    await roundTrip(neighbour, neighbourThere)
    expect(new Set(server.sessions)).toEqual(new Set([neighbourThere, session]))
    expect(new Set(sessions.map(({ address }) => address)).size).toBe(1)
    if (n === BOOTS - 1) break
    await die()
    // Still under way, and repeated, when the device comes back: it belongs to nobody then.
    session.send(new Uint8Array(100)).catch(() => {})
  }
  expect(refusals).toEqual([])
  expect(neighbourThere.signal.aborted).toBe(false)
}

test('our client', async () => {
  const { server, refusals } = await startServer()
  const port = await freeUdpPort()
  await restartAgainAndAgain(server, refusals, async () => {
    const socket = createSocket('udp4').bind(port, host)
    await once(socket, 'listening')
    socket.connect(server.udpPort, host)
    await once(socket, 'connect')
    const transport = udpTransport(socket)
    const [client, session] = await Promise.all([
      Session.connect(transport, {
        deviceId: deviceIdBytes,
        psk,
        provider: nodeProvider,
        random: nodeRandom,
        clock: nodeClock,
        reliableDatagram: ReliableDatagram,
      }),
      next(server),
    ])
    const die = async () => {
      transport.abort()
      await once(socket, 'close')
    }
    running.push({ stop: async () => transport.abort() })
    return { session, talk: () => roundTrip(client, session), die }
  })
})

test('the C client, killed and started again', async () => {
  const { server, refusals } = await startServer()
  const relay = await LossyRelay.start(server.udpPort, { from: await freeUdpPort() })
  console.log(`relay: seed ${relay.seed}`)
  running.push(relay)
  await restartAgainAndAgain(server, refusals, async () => {
    const arrival = next(server)
    const peer = new CPeer('psa', psk, ['--connect', `udp:${host}:${relay.port}`, '--device-id', deviceId])
    running.push(peer)
    const session = await arrival
    const talk = async () => {
      peer.write('from C')
      expect(new TextDecoder().decode(await session.receive())).toBe('from C')
      await session.send('from us')
      expect(await peer.says('message')).toBe('from us')
    }
    const die = async () => {
      peer.signal('SIGKILL')
      await peer.stop()
    }
    return { session, talk, die }
  })
})
