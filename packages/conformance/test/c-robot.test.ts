import { randomBytes } from 'node:crypto'
import { type ListenOptions, listen, type Server, type Session } from '@usmp/node'
import { buildCPeers, buildCRobot, CPeer, CRobot } from '@usmp/testing/c-programs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PlainPeer } from '../src/json-rpc.js'
import { testRobot } from '../src/robot-behaviour.js'

const id = 'aa:bb:cc:dd:00:01'
const psk = new Uint8Array(randomBytes(32))
const loopback = { host: '127.0.0.1', port: 0 }
const transports: { name: string; where: Partial<ListenOptions>; to: (server: Server) => string }[] = [
  { name: 'TCP', where: { tcp: loopback }, to: ({ port }) => `tcp:127.0.0.1:${port}` },
  { name: 'UDP', where: { udp: loopback }, to: ({ udpPort }) => `udp:127.0.0.1:${udpPort}` },
]

beforeAll(() => {
  buildCPeers()
  buildCRobot()
}, 600_000)

async function nextPeer(server: Server): Promise<PlainPeer> {
  for await (const session of server) return new PlainPeer(session)
  throw new Error('no session')
}

async function nextSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('no session')
}

for (const { name, where, to } of transports) {
  describe(`the C robot over ${name}`, () => {
    let server: Server
    let robot: CRobot
    let peer: PlainPeer

    beforeAll(async () => {
      server = await listen({ ...where, psk: { [id]: psk } })
      robot = new CRobot(to(server), id, psk, '--name', 'Rob')
      peer = await nextPeer(server)
    })
    afterAll(async () => {
      await robot?.stop()
      await server?.close()
    })

    testRobot('c', () => peer, name === 'TCP' ? 10 : 2)
  })
}

describe('the C robot and its sessions', () => {
  const running: { stop(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })

  async function start(where: Partial<ListenOptions>): Promise<Server> {
    const server = await listen({ ...where, psk: { [id]: psk } })
    running.push({ stop: () => server.close() })
    return server
  }

  function robotAt(connect: string, key = psk): CRobot {
    const robot = new CRobot(connect, id, key)
    running.push(robot)
    return robot
  }

  test.each(transports)('a hub that comes back over $name finds it stopped, and its telemetry goes on', async (way) => {
    const server = await start(way.where)
    const to = way.to(server)
    const port = Number(to.split(':').at(-1))
    robotAt(to)
    const peer = await nextPeer(server)
    const before = await peer.report()
    await peer.command('drive', { v: 0.5, w: 0 })
    const driving = await peer.report(({ v }) => v > 0)
    await server.close()

    const again = await start(way.name === 'TCP' ? { tcp: { ...loopback, port } } : { udp: { ...loopback, port } })
    const second = await nextPeer(again)
    const { n, t, x, v, w, state } = await second.report()
    expect(n).toBeGreaterThan(driving.n)
    expect(t).toBeGreaterThan(driving.t)
    expect({ v, w, state }).toEqual({ v: 0, w: 0, state: 'deadman' })
    // It braked at once: less than half a metre a second for less than a second.
    expect(x - before.x).toBeLessThan(0.5)
    expect(await second.command('drive', { v: 0.1, w: 0 })).toEqual({ v: 0.1, w: 0 })
  })

  test.each(transports)('a hub that dies without a word over $name is missed within seconds', async (way) => {
    const kind = way.name.toLowerCase()
    const dying = new CPeer('psa', psk, ['--listen', `${kind}:127.0.0.1:0`])
    running.push(dying)
    const port = Number(await dying.says('listening'))
    const robot = robotAt(`${kind}:127.0.0.1:${port}`)
    await dying.says('connected')
    await dying.stop()
    const died = Date.now()
    const later = await start(kind === 'tcp' ? { tcp: { ...loopback, port } } : { udp: { ...loopback, port } })
    expect(await (await nextPeer(later)).call('describe')).toMatchObject({ kind: 'c' })
    // Far from the patience of the engine, which is 30 s.
    expect(Date.now() - died).toBeLessThan(15_000)
    expect(robot.log).toMatch(kind === 'tcp' ? /session ended: TRUNCATED/ : /session ended: TRANSPORT_FAILED/)
  })

  test.each(transports)('a wrong key over $name ends it with 5', async (way) => {
    const server = await start(way.where)
    let refused = 0
    server.addEventListener('refused', () => refused++)
    const robot = robotAt(way.to(server), new Uint8Array(randomBytes(32)))
    expect(await robot.exitCode()).toBe(5)
    expect(refused).toBeGreaterThan(0)
    expect(robot.log).toMatch(/the key or the id is not the one that the hub knows/)
  })

  test('an id that nobody knows ends it with 5', async () => {
    const server = await listen({ tcp: loopback, psk: { '00:00:00:00:00:01': psk } })
    running.push({ stop: () => server.close() })
    expect(await robotAt(`tcp:127.0.0.1:${server.port}`).exitCode()).toBe(5)
  })

  test('after a goodbye it does not come back', async () => {
    const server = await start({ tcp: loopback })
    const robot = robotAt(`tcp:127.0.0.1:${server.port}`)
    const session = await nextSession(server)
    const params = { code: 'REPLACED', message: 'the same device opened a newer session' }
    await session.send(JSON.stringify({ jsonrpc: '2.0', method: 'goodbye', params }))
    await session.close()
    expect(await robot.exitCode()).toBe(5)
    expect(robot.log).toMatch(/the hub said goodbye: REPLACED/)
  })

  test('it waits for a hub that is not there yet, with pauses of two seconds at most', async () => {
    const server = await start({ tcp: loopback })
    const { port } = server
    await server.close()
    const robot = robotAt(`tcp:127.0.0.1:${port}`)
    while (!/again in 2000 ms/.test(robot.log)) await new Promise((resolve) => setTimeout(resolve, 50))
    const later = await start({ tcp: { ...loopback, port } })
    expect(await (await nextPeer(later)).call('describe')).toMatchObject({ kind: 'c' })
    expect(robot.log).not.toMatch(/again in [3-9]\d{3}/)
  })

  test.each([[], ['--connect', 'tcp:127.0.0.1'], ['--connect', 'ftp:127.0.0.1:1'], ['--speed', '5']])(
    'a wrong command line is explained: %s %s',
    async (...wrong) => {
      const robot = new CRobot('tcp:127.0.0.1:1', wrong.length > 0 ? id : 'no id', psk, ...wrong)
      running.push(robot)
      expect(await robot.exitCode()).toBe(2)
      expect(robot.log).toMatch(/^robolink-robot: --\w+ is unknown, or its value is missing or wrong\nusage: /)
    },
  )
})
