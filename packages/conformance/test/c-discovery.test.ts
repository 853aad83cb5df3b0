import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { announce, type DiscoverOptions, discover, type Found } from '@usmp/discovery'
import { listen, type Server } from '@usmp/node'
import { buildC, buildCSensor, CSensor, cFolder } from '@usmp/testing/c-programs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Program } from '../src/program.js'

const loopback = Object.entries(networkInterfaces()).find(([, list]) => list?.some(({ internal }) => internal))![0]
const secrets = mkdtempSync(join(tmpdir(), 'usmp-pair-'))

beforeAll(() => {
  buildC('usmp-discovery-peer', 'usmp-pair')
  buildCSensor()
}, 240_000)
afterAll(() => rmSync(secrets, { recursive: true, force: true }))

const running: Program[] = []
afterEach(() => Promise.all(running.splice(0).map((program) => program.stop())))

function start(name: string, ...args: readonly string[]): Program {
  const program = new Program(join(cFolder, name), args)
  running.push(program)
  return program
}

/** A UDP port that nobody has. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

const place = async () => ({ interfaces: [loopback], port: await freePort(), mdnsPort: await freePort() })

/** The first find that fits. */
async function find(options: DiscoverOptions, fits: (found: Found) => boolean = () => true): Promise<Found> {
  for await (const found of discover({ timeout: 0, ...options })) if (fits(found)) return found
  throw new Error('the search ended')
}

describe('a device in C is found by TypeScript', () => {
  const roles = ['device'] as const

  test('by the UDP query', async () => {
    const { port, ...others } = await place()
    const device = start('usmp-discovery-peer', 'announce', 'device', '--port', `${port}`, '--carrier', 'udp:9000')
    const instance = await device.says('announced')
    const found = await find({ ...others, port, roles, mdns: false })
    expect(found).toMatchObject({ role: 'device', instance, carriers: [{ kind: 'udp', port: 9000 }], by: ['udp'] })
    expect(found.addresses).toMatchObject([{ address: '127.0.0.1' }])
  })

  test('by its address', async () => {
    const port = await freePort()
    const device = start('usmp-discovery-peer', 'announce', 'device', '--port', `${port}`, '--id', '246f28a1b2c3')
    const instance = await device.says('announced')
    const found = await find({ interfaces: ['none'], hosts: ['127.0.0.1'], port, roles, mdns: false })
    expect(found).toMatchObject({ role: 'device', instance, carriers: [], deviceId: '246f28a1b2c3' })
  })

  test('by mDNS, and says goodbye', async () => {
    const { port, mdnsPort, interfaces } = await place()
    const args = ['--port', `${port}`, '--mdns-port', `${mdnsPort}`, '--carrier', 'udp:9000']
    const device = start('usmp-discovery-peer', 'announce', 'device', ...args)
    const instance = await device.says('announced')
    let seen: Found | undefined
    for await (const found of discover({ timeout: 0, interfaces, mdnsPort, roles, udp: false })) {
      if (found.gone) break
      if (!seen) void device.endInput()
      seen = found
    }
    expect(seen).toMatchObject({ role: 'device', instance, carriers: [{ kind: 'udp', port: 9000 }], by: ['mdns'] })
    expect(seen!.addresses.map(({ address }) => address)).toContain('127.0.0.1')
  })
})

describe('a gateway in TypeScript is found by C', () => {
  test.each([
    ['by the query to everybody', []],
    ['by its address', ['--host', '127.0.0.1']],
  ])('%s', async (_, host) => {
    const { port, interfaces } = await place()
    await using gateway = await announce({
      role: 'gateway',
      site: 'home',
      joinOpen: true,
      carriers: [
        { kind: 'tcp', port: 9000 },
        { kind: 'ws', port: 8080 },
      ],
      path: '/usmp',
      interfaces,
      port,
      mdns: false,
    })
    const search = start('usmp-discovery-peer', 'search', 'gateway', '--port', `${port}`, '--site', 'home', ...host)
    // This machine may be in several networks.
    let found = await search.says('found')
    while (!found.includes(' 127.0.0.1 ')) found = await search.says('found')
    expect(found).toBe(`gateway ${gateway.instance} 127.0.0.1 tcp:9000 ws:8080 site=home join=1`)
  })
})

test('a sensor in C finds the gateway of its site in spite of an impostor, and finds it again at another port', async () => {
  const { port, interfaces } = await place()
  const id = '02:c0:ff:ee:00:07'
  const psk = new Uint8Array(randomBytes(32))
  const open = (key: Uint8Array) => listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: { [id]: key } })
  const announced = (server: Server, site: string) =>
    announce({ role: 'gateway', site, carriers: [{ kind: 'tcp', port: server.port }], interfaces, port, mdns: false })
  await using impostor = await open(new Uint8Array(randomBytes(32)))
  await using _1 = await announced(impostor, 'home')
  await using stranger = await open(psk)
  await using _2 = await announced(stranger, 'office')
  const sensor = new CSensor(`find:home:${port}`, id, psk, ['--interval', '0.25'])
  try {
    for (let round = 1; round <= 2; round++) {
      await using gateway = await open(psk)
      await using _3 = await announced(gateway, 'home')
      for await (const session of gateway) {
        expect(new TextDecoder().decode(await session.receive())).toContain('telemetry')
        break
      }
    }
    expect(sensor.log).toContain(`found a gateway at 127.0.0.1:${impostor.port}`)
    expect(sensor.log).not.toContain(`127.0.0.1:${stranger.port}`)
  } finally {
    await sensor.stop()
  }
})

describe('two devices without a gateway', () => {
  const ids = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const
  const key = (name: string) => {
    const path = join(secrets, name)
    writeFileSync(path, randomBytes(32).toString('hex'), { mode: 0o600 })
    return path
  }

  /** Device 0 accepts, device 1 searches. */
  function startPair(device: 0 | 1, pskFile: string, port: number): Program {
    const args = ['--id', ids[device], '--peer', ids[1 - device]!, '--psk-file', pskFile, '--query-port', `${port}`]
    return start('usmp-pair', ...args)
  }

  test('find each other, talk, and find each other again after either was lost', async () => {
    const port = await freePort()
    const pskFile = key('pair')
    // The one that searches may be there first.
    let searching = startPair(1, pskFile, port)
    await searching.says('searching')
    const first = startPair(0, pskFile, port)
    await first.says('connected')
    expect(await first.says('message')).toMatch(/^hello \d+ from a host$/)
    expect(await searching.says('message')).toMatch(/^hello \d+ from a host$/)
    await first.vanish()
    expect(await searching.says('lost')).toBe('IDLE_TIMEOUT')
    const second = startPair(0, pskFile, port)
    await second.says('message')
    await searching.says('connected')
    await searching.vanish()
    expect(await second.says('lost')).toBe('IDLE_TIMEOUT')
    searching = startPair(1, pskFile, port)
    await second.says('message')
    await searching.says('message')
  })

  test('a stranger with another key gets in nowhere, and the pair finds each other in spite of it', async () => {
    const port = await freePort()
    const pskFile = key('pair')
    const stranger = startPair(0, key('strange'), port)
    await stranger.says('accepting')
    const searching = startPair(1, pskFile, port)
    expect(await searching.says('refused')).toMatch(/AUTH_FAILED|HANDSHAKE_TIMEOUT/)
    const other = startPair(0, pskFile, port)
    await other.says('message')
    await searching.says('message')
    expect(stranger.log).not.toContain('connected')
  })
})
