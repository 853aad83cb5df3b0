import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Relay, tcpRelay, udpRelay } from './relay.js'
import { type HubProgram, TERMINAL, worlds } from './world.js'

const world = worlds()
const portOf = (place: string) => Number(/:(\d+)\/?$/.exec(place)![1])

/** How a robot reaches the hub, with somebody on the path who keeps a copy. */
const ways: Record<string, (hub: HubProgram) => Promise<{ place: string; relay: Relay }>> = {
  async tcp(hub) {
    const relay = await tcpRelay(portOf(hub.tcp))
    return { place: `tcp:127.0.0.1:${relay.port}`, relay }
  },
  async udp(hub) {
    const relay = await udpRelay(portOf(hub.udp))
    return { place: `udp:127.0.0.1:${relay.port}`, relay }
  },
  async websocket(hub) {
    const relay = await tcpRelay(portOf(hub.page))
    return { place: `wss://127.0.0.1:${relay.port}/usmp`, relay }
  },
}

const SECRET_WORDS = 'the treasure is under the old oak'

test.each(Object.keys(ways))(
  'a robot on %s drives and talks, and nobody on the path can read any of it',
  async (transport) => {
    const hub = await world().hub()
    const { place, relay } = await ways[transport]!(hub)
    const ca = ['--ca', world().file('state/tls-cert.pem')]
    world().robot(place, { args: transport === 'websocket' ? ca : [] })
    await hub.program.says('robot-connected')
    const beside = await tcpRelay(portOf(hub.tcp))
    const { code, program } = await world().say(`tcp:127.0.0.1:${beside.port}`, [
      'watch',
      'drive 0.2 0.1',
      `chat ${SECRET_WORDS}`,
      'wait 0.7',
      'stop',
      'robots',
    ])
    expect(program.all('error')).toEqual([])
    expect(code).toBe(0)
    expect(program.all('robot')).toMatchObject([{ online: true, transport }])
    expect(program.all('telemetry').some(({ v, w }) => v === 0.2 && w === 0.1)).toBe(true)
    expect(program.all('chat').length).toBe(2)

    const known = [SECRET_WORDS, 'jsonrpc', 'telemetry', 'battery', 'theta', 'drive', 'robbie']
    const keys = [
      readFileSync(world().file('state/robot-1.psk'), 'utf8'),
      readFileSync(world().file('state/terminal.psk'), 'utf8'),
    ]
    const needles = [
      ...known.map((word) => Buffer.from(word)),
      ...keys.flatMap((key) => [Buffer.from(key.trim()), Buffer.from(key.trim(), 'hex')]),
    ]
    for (const wire of [relay.captured(), beside.captured()]) {
      expect(wire.length).toBeGreaterThan(1_000)
      expect(needles.filter((needle) => wire.includes(needle))).toEqual([])
    }
    // That this can be found at all: the id of the operator is not secret, and goes in clear.
    expect(beside.captured().includes(Buffer.from(TERMINAL.replaceAll(':', ''), 'hex'))).toBe(true)
  },
)
