import { readFileSync } from 'node:fs'
import { connect } from '@usmp/node'
import { type Peer, rpc } from '@usmp/rpc'
import { buildCRobot, cRobotProgram } from '@usmp/testing/c-programs'
import { Cable } from '@usmp/testing/cable'
import fc from 'fast-check'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { operatorHubApi, type Watched } from '../../src/robolink/contract.ts'
import { type Fault, type Relay, tcpRelay, udpRelay } from './relay.ts'
import { type HubProgram, ROBOT, TERMINAL, worlds } from './world.ts'

const world = worlds()
const portOf = (place: string) => Number(/:(\d+)\/?$/.exec(place)![1])

beforeAll(buildCRobot, 180_000)

interface Way {
  readonly place: string
  /** Undefined where nobody is on the path. */
  readonly relay?: Relay
}

/** A hub, and how a robot reaches it. */
const ways: Record<string, () => Promise<{ hub: HubProgram } & Way>> = {
  async tcp() {
    const hub = await world().hub()
    const relay = await tcpRelay(portOf(hub.tcp))
    return { hub, relay, place: `tcp:127.0.0.1:${relay.port}` }
  },
  async udp() {
    const hub = await world().hub()
    const relay = await udpRelay(portOf(hub.udp))
    return { hub, relay, place: `udp:127.0.0.1:${relay.port}` }
  },
  async websocket() {
    const hub = await world().hub()
    const relay = await tcpRelay(portOf(hub.page))
    return { hub, relay, place: `wss://127.0.0.1:${relay.port}/usmp` }
  },
  async serial() {
    const { near, far } = await Cable.plugged()
    return { hub: await world().hub({ serial: near }), place: `serial:${far}` }
  },
}

const fault = (what: Fault['what'][]) =>
  fc.record<Fault>({
    towards: fc.constantFrom('robot', 'robot', 'hub'),
    at: fc.nat(8),
    what: fc.constantFrom(...what),
    ms: fc.integer({ min: 10, max: 250 }),
  })

/** The first one is what was seen: a command is lost, the stop is not, and the command comes once more behind it. */
const ON_DATAGRAMS: [Fault[], number][] = [
  [[{ towards: 'robot', at: 0, what: 'lose', ms: 0 }], 1],
  [[{ towards: 'robot', at: 0, what: 'delay', ms: 150 }], 1],
  [[{ towards: 'robot', at: 0, what: 'repeat', ms: 150 }], 1],
]

/** An operator of the hub, in this process. */
async function operator(hub: HubProgram): Promise<{ hub: Peer<typeof operatorHubApi>; fence: () => Promise<number> }> {
  const psk = Buffer.from(readFileSync(world().file('state/terminal.psk'), 'utf8').trim(), 'hex')
  const session = await connect(`usmp://${hub.tcp.slice(4)}`, { deviceId: TERMINAL, psk })
  onTestFinished(() => session.close())
  const peer = rpc(session, { calls: operatorHubApi })
  return { hub: peer, fence: async () => (await peer.request('robots', {})).robots[0]!.fence }
}

test.each([
  ['ts', 'tcp'],
  ['ts', 'udp'],
  ['ts', 'websocket'],
  ['ts', 'serial'],
  ['c', 'tcp'],
  ['c', 'udp'],
  ['c', 'serial'],
])(
  'after a confirmed stop nothing sent before it moves the robot: %s over %s',
  { timeout: 600_000 },
  async (kind, way) => {
    const { hub: program, relay, place } = await ways[way]!()
    if (kind === 'c') {
      const options = ['--connect', place, '--id', ROBOT, '--psk-file', world().file('state/robot-1.psk')]
      world().start(cRobotProgram, options)
    } else world().robot(place, { args: way === 'websocket' ? ['--ca', world().file('state/tls-cert.pem')] : [] })
    await program.program.says('robot-connected')
    const { hub, fence } = await operator(program)
    const seen: Watched[] = []
    void (async () => {
      for await (const item of hub.stream('watch', { robot: ROBOT })) seen.push(item)
    })().catch(() => {})
    const latest = () => seen.at(-1)?.n ?? -1
    const until = (n: number) => expect.poll(latest, { timeout: 60_000, interval: 20 }).toBeGreaterThanOrEqual(n)
    await until(0)

    const datagrams = way === 'udp'
    const faults = fc.array(fault(datagrams ? ['lose', 'repeat', 'delay'] : ['delay']), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(
        relay ? faults : fc.constant<Fault[]>([]),
        fc.integer({ min: 1, max: 4 }),
        async (faults, count) => {
          const command = { robot: ROBOT, fence: await fence(), v: 0.3, w: 0 }
          relay?.disturb(faults)
          const drives = Array.from({ length: count }, () => hub.request('drive', command, { ttl: 300 }))
          const answered = Promise.allSettled(drives)
          // One that the robot has not confirmed proves nothing; then there is another.
          while (!(await hub.request('stop', { robot: ROBOT }).catch(() => undefined)));
          const confirmed = latest()
          const late = hub.request('drive', command).catch(({ code }) => code)
          await answered
          relay?.disturb([])
          expect(await late).toBe(-32006)
          // Reports may be under way. A command that was obeyed shows in five or more of them.
          await until(confirmed + 7)
          const moving = seen.filter(({ n, v, state }) => n >= confirmed + 3 && (v !== 0 || state === 'driving'))
          expect(moving).toEqual([])
        },
      ),
      { numRuns: datagrams ? 20 : 4, examples: datagrams ? ON_DATAGRAMS : [] },
    )
  },
)
