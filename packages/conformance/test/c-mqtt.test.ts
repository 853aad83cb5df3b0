import { randomBytes } from 'node:crypto'
import { PacketType } from '@usmp/core'
import { BrokerConnection, listenMqtt, type MqttListener } from '@usmp/mqtt'
import { type ListenOptions, listen, type Server, type Session } from '@usmp/node'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'

const deviceId = 'aa:bb:cc:dd:ee:ff'
const topic = 'usmp/home/ff/aabbccddeeff'
/** The first byte of a frame; acknowledgements have another. */
const FRAME = 0xcd
const psk = new Uint8Array(randomBytes(32))
const decoder = new TextDecoder()

beforeAll(() => buildCPeers(), 600_000)

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

interface Site {
  readonly broker: Mosquitto
  readonly server: Server
  readonly listener: MqttListener
}

async function startSite(options: Partial<ListenOptions> = {}): Promise<Site> {
  const broker = await Mosquitto.start()
  running.push(() => broker.stop())
  const server = await listen({ tcp: false, psk: { [deviceId]: psk }, ...options })
  const listener = listenMqtt(server, { broker: { url: broker.url() }, site: 'home' })
  running.push(async () => {
    await server.close()
    await listener.close()
  })
  await listener.connected()
  return { broker, server, listener }
}

function startC({ broker }: Site, key: Uint8Array, ...args: string[]): CPeer {
  const peer = new CPeer('psa', key, ['--connect', broker.url(), '--site', 'home', '--device-id', deviceId, ...args])
  running.push(() => peer.stop())
  return peer
}

async function nextSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('the server was closed')
}

/** Somebody who may publish and read everything. */
async function stranger({ broker }: Site): Promise<BrokerConnection> {
  const connection = new BrokerConnection({ url: broker.url() }, { name: 'stranger' })
  running.push(() => connection.close())
  await connection.connected()
  return connection
}

/** A line each way. */
async function talk(session: Session, peer: CPeer, text: string): Promise<void> {
  peer.write(text)
  expect(decoder.decode(await session.receive())).toBe(text)
  await session.send(`${text} to you`)
  expect(await peer.says('message')).toBe(`${text} to you`)
}

describe('a C device over MQTT', () => {
  test.each([
    [1, 'aes'],
    [2, 'chacha'],
  ] as const)('connect, exchange of all sizes, rekeys, a PING, BYE; suite %i', async (suite, option) => {
    const site = await startSite({ suite })
    const options = ['--sizes', '0,1,451,452,453,904,1356,1808', '--exchange', '24', '--rekey-every', '7', '--ping']
    const peer = startC(site, psk, '--suite', option, ...options)
    const session = await nextSession(site.server)
    for await (const message of session) await session.send(message)
    expect(await peer.says('exchanged')).toBe('24')
    expect(await peer.exitCode()).toBe(0)
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('a broker that is killed and comes back ends no session', async () => {
    const site = await startSite()
    const peer = startC(site, psk)
    const session = await nextSession(site.server)
    await talk(session, peer, 'before')
    await site.broker.kill()
    peer.write('said to nobody')
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await site.broker.restart()
    expect(decoder.decode(await session.receive())).toBe('said to nobody')
    await talk(session, peer, 'after')
    expect(site.server.sessions).toEqual([session])
  })

  test('junk, retained frames and frames sent again change nothing', async () => {
    const site = await startSite()
    const other = await stranger(site)
    const captured: Uint8Array[] = []
    other.subscribe(`${topic}/down`, ({ payload }) => captured.push(new Uint8Array(payload)))
    other.publish(`${topic}/down`, randomBytes(50), { retain: true })
    await other.connected()
    const peer = startC(site, psk)
    const session = await nextSession(site.server)
    await talk(session, peer, 'first')
    for (const frame of captured.slice()) other.publish(`${topic}/down`, frame)
    for (const size of [0, 1, 4, 7, 50, 492, 493, 5_000]) {
      other.publish(`${topic}/down`, randomBytes(size))
      other.publish(`${topic}/up`, randomBytes(size))
      other.publish('usmp/home/gw/liar', randomBytes(size))
    }
    for (let boot = 1; boot <= 20; boot++) {
      other.publish('usmp/home/gw/main', Buffer.from(`{"v":1,"up":true,"boot":"0000${boot + 1000}"}`))
    }
    for (let round = 0; round < 5; round++) await talk(session, peer, `round ${round}`)
    expect(site.server.sessions).toEqual([session])
  })

  test('a wrong key is met with silence', async () => {
    const site = await startSite({ handshakeTimeout: 2_000 })
    const other = await stranger(site)
    const answers = new Set<number>()
    other.subscribe(`${topic}/down`, ({ payload }) => {
      if (payload[0] === FRAME) answers.add(payload[3]!)
    })
    await other.connected()
    const refused = new Promise<string>((resolve) =>
      site.server.addEventListener('refused', ({ error }) => resolve(error.code)),
    )
    const peer = startC(site, new Uint8Array(randomBytes(32)))
    expect(await refused).toBe('AUTH_FAILED')
    expect(await peer.says('failed')).toBe('HANDSHAKE_TIMEOUT')
    expect(await peer.exitCode()).toBe(1)
    expect([...answers]).toEqual([PacketType.CHALLENGE])
  })
})
