import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { fc, test } from '@fast-check/vitest'
import { CipherSuite, type ErrorCode, encodeFrame, PacketType, parseDeviceId, Session, UsmpError } from '@usmp/core'
import { deviceNumber, OTHER_PSK, PSK, type Recording, recordingProvider, turns, until } from '@usmp/testing'
import { describe, expect } from 'vitest'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'
import { listen, type Server } from '../src/server.ts'
import { tcpTransport } from '../src/tcp.ts'
import { LOOPBACK } from './network.ts'

/** How many runs; `pnpm properties` sets more. */
const RUNS = Number(process.env.USMP_MODEL_RUNS ?? 15)
const MAX_COMMANDS = 40
const DEVICES = 4
const MAX_CONNECTIONS = 6
const MAX_HANDSHAKES = 3
/** The fifth locks out, and then the time that has passed matters. */
const MAX_WRONG_PROOFS = 4
/** On a busy machine. */
const PATIENCE = 60_000

type Duplicates = 'replace' | 'reject'

/** What a server should look like, as simple as can be. Between two commands nothing is under way. */
interface Model {
  readonly duplicates: Duplicates
  /** Devices that have a session. */
  readonly sessions: Set<number>
  /** Connections that never go on with their handshake, oldest first, by their names. */
  idle: number[]
  nextIdle: number
  /** Why somebody was turned away, so far. */
  readonly refused: ErrorCode[]
  readonly wrongProofs: Map<number, number>
  begun: number
}

interface Client {
  readonly session: Session
  readonly socket: Socket
  readonly sent: string[]
  readonly got: string[]
}

/** The server under test and everybody who has come to it. */
class World {
  readonly server: Server
  readonly provider: Recording
  readonly clients = new Map<number, Client>()
  readonly idle = new Map<number, Socket>()
  readonly refused: ErrorCode[] = []
  readonly begun: Session[] = []
  readonly ended: Session[] = []
  /** Messages that each session of the server gave out. */
  readonly got = new Map<Session, string[]>()
  readonly #consumers: Promise<void>[] = []
  readonly #accepting: Promise<void>

  private constructor(server: Server, provider: Recording) {
    this.server = server
    this.provider = provider
    server.addEventListener('refused', ({ error }) => this.refused.push(error.code))
    server.addEventListener('session', ({ session }) => this.begun.push(session))
    server.addEventListener('ended', ({ session }) => this.ended.push(session))
    this.#accepting = this.#accept()
  }

  static async start(duplicates: Duplicates): Promise<World> {
    const provider = recordingProvider(nodeProvider)
    const server = await listen({
      tcp: { host: LOOPBACK, port: 0 },
      psk: (deviceId) => (deviceId.startsWith('02:') ? { psk: PSK, suite: CipherSuite.AES_256_GCM } : null),
      duplicates,
      maxConnections: MAX_CONNECTIONS,
      maxHandshakes: MAX_HANDSHAKES,
      // The model knows no time: a connection stays idle for as long as a busy machine takes for a run.
      handshakeTimeout: 600_000,
      provider,
    })
    return new World(server, provider)
  }

  async #accept(): Promise<void> {
    for await (const session of this.server) this.#consumers.push(this.#consume(session))
  }

  async #consume(session: Session): Promise<void> {
    const got: string[] = []
    this.got.set(session, got)
    try {
      for await (const message of session) got.push(new TextDecoder().decode(message))
    } catch (error) {
      if (!(error instanceof UsmpError)) throw error
    }
  }

  async socket(): Promise<Socket> {
    const socket = connectSocket({ port: this.server.port, host: LOOPBACK })
    await once(socket, 'connect')
    return socket.on('error', () => {})
  }

  shake(socket: Socket, deviceId: string, psk: Uint8Array): Promise<Session> {
    return Session.connect(tcpTransport(socket), {
      deviceId: parseDeviceId(deviceId),
      psk,
      random: nodeRandom,
      provider: this.provider,
      handshakeTimeout: 60_000,
    })
  }

  /** A device with its own key; its session, which may end at once. */
  async connect(device: number): Promise<Client> {
    const socket = await this.socket()
    const session = await this.shake(socket, deviceNumber(device), PSK)
    const client: Client = { session, socket, sent: [], got: [] }
    void (async () => {
      try {
        for await (const message of session) client.got.push(new TextDecoder().decode(message))
      } catch (error) {
        if (!(error instanceof UsmpError)) throw error
      }
    })()
    return client
  }

  /** The server's session of a device. */
  theirs(device: number): Session {
    return this.server.sessions.find(({ deviceId }) => deviceId === deviceNumber(device))!
  }

  /** Waits until the server has come to look as the model does. */
  async agrees(model: Model): Promise<void> {
    const sessions = [...model.sessions].map(deviceNumber).sort()
    await until(
      () =>
        JSON.stringify(this.server.sessions.map(({ deviceId }) => deviceId).sort()) === JSON.stringify(sessions) &&
        this.refused.length >= model.refused.length &&
        this.begun.length - this.ended.length === sessions.length &&
        openSockets() === 2 * (sessions.length + model.idle.length),
      `${JSON.stringify(model.refused)} and ${sessions.length} sessions beside ${model.idle.length} idle connections`,
      PATIENCE,
    ).catch((cause) => {
      const seen = { refused: this.refused, sessions: this.server.sessions.length, sockets: openSockets() }
      throw new Error(`not as expected, but ${JSON.stringify(seen)}`, { cause })
    })
    expect([...this.refused].sort()).toEqual([...model.refused].sort())
    expect(this.begun.length).toBe(model.begun)
    expect(this.provider.sealedTwice).toEqual([])
  }

  async finished(): Promise<void> {
    await this.#accepting
    await Promise.all(this.#consumers)
  }
}

/** Sockets of this process; the file is alone in it. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

const openTimers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** A newcomer comes in: what the limits do, by the documentation of the options. False if he is turned away. */
function enters(model: Model, world: World): boolean {
  const full = model.sessions.size + model.idle.length >= MAX_CONNECTIONS
  if (!full && model.idle.length < MAX_HANDSHAKES) return true
  model.refused.push('TOO_MANY_CONNECTIONS')
  const oldest = model.idle.shift()
  if (oldest !== undefined) world.idle.delete(oldest)
  return oldest !== undefined
}

type Command = fc.AsyncCommand<Model, World>

function command(name: string, check: (model: Model) => boolean, run: (model: Model, world: World) => Promise<void>) {
  return {
    check: (model: Readonly<Model>) => check(model as Model),
    async run(model: Model, world: World) {
      await run(model, world)
      await world.agrees(model)
    },
    toString: () => name,
  } satisfies Command
}

const connects = (device: number) =>
  command(
    `connect ${device}`,
    () => true,
    async (model, world) => {
      if (!enters(model, world)) {
        expect(await codeOfEnd(world.connect(device))).toBe('HANDSHAKE_REFUSED')
        return
      }
      const client = await world.connect(device)
      const older = world.clients.get(device)
      if (older && model.duplicates === 'reject') {
        model.refused.push('DUPLICATE_DEVICE')
        expect((await client.session.closed).code).toBe('CLOSED')
        return
      }
      model.begun++
      model.sessions.add(device)
      world.clients.set(device, client)
      if (older) expect((await older.session.closed).code).toBe('CLOSED')
    },
  )

const wrong = (device: number) =>
  command(
    `wrong key of ${device}`,
    (model) => (model.wrongProofs.get(device) ?? 0) < MAX_WRONG_PROOFS,
    async (model, world) => {
      if (enters(model, world)) {
        model.refused.push('AUTH_FAILED')
        model.wrongProofs.set(device, (model.wrongProofs.get(device) ?? 0) + 1)
      }
      const socket = await world.socket()
      expect(await codeOfEnd(world.shake(socket, deviceNumber(device), OTHER_PSK))).toBe('HANDSHAKE_REFUSED')
    },
  )

const unknown = command(
  'an unknown device',
  (model) => (model.wrongProofs.get(-1) ?? 0) < MAX_WRONG_PROOFS,
  async (model, world) => {
    if (enters(model, world)) {
      model.refused.push('UNKNOWN_DEVICE')
      model.wrongProofs.set(-1, (model.wrongProofs.get(-1) ?? 0) + 1)
    }
    const socket = await world.socket()
    expect(await codeOfEnd(world.shake(socket, '03:00:00:00:00:00', PSK))).toBe('HANDSHAKE_REFUSED')
  },
)

const idles = (says: 'nothing' | 'HELLO') =>
  command(
    `a connection that says ${says}`,
    () => true,
    async (model, world) => {
      const mayStay = enters(model, world)
      const socket = await world.socket()
      socket.resume()
      if (!mayStay) return
      const name = model.nextIdle++
      model.idle.push(name)
      world.idle.set(name, socket)
      if (says === 'nothing') return
      const heard = once(socket, 'data')
      const payload = nodeRandom(38)
      payload[0] = 3
      socket.write(encodeFrame({ type: PacketType.HELLO, payload }))
      await heard
    },
  )

const leaves = (place: number) =>
  command(
    'an idle connection leaves',
    (model) => model.idle.length > 0,
    async (model, world) => {
      const [name] = model.idle.splice(place % model.idle.length, 1)
      model.refused.push('TRUNCATED')
      world.idle.get(name!)!.end()
      world.idle.delete(name!)
    },
  )

const junk = command(
  'a connection that speaks HTTP',
  () => true,
  async (model, world) => {
    if (enters(model, world)) model.refused.push('BAD_MAGIC')
    const socket = await world.socket()
    socket.resume()
    socket.write('GET / HTTP/1.1\r\n\r\n')
  },
)

const has = (device: number) => (model: Model) => model.sessions.has(device)

const talks = (device: number, count: number) =>
  command(`${count} messages from and to ${device}`, has(device), async (_model, world) => {
    const client = world.clients.get(device)!
    const theirs = world.theirs(device)
    await until(() => world.got.has(theirs), 'the server takes the session', PATIENCE)
    for (let i = 0; i < count; i++) {
      const message = `${device} ${client.sent.length} ${'x'.repeat((i * 700) % 1800)}`
      client.sent.push(message)
      await Promise.all([client.session.send(message), theirs.send(message)])
    }
    const arrived = () => world.got.get(theirs)!.length + client.got.length >= 2 * client.sent.length
    await until(arrived, 'all messages', PATIENCE)
    expect(world.got.get(theirs)).toEqual(client.sent)
    expect(client.got).toEqual(client.sent)
  })

const rekeys = (device: number, at: 'client' | 'server' | 'both') =>
  command(`rekey of ${device} by ${at}`, has(device), async (_model, world) => {
    const ends = { client: world.clients.get(device)!.session, server: world.theirs(device) }
    await Promise.all((at === 'both' ? (['client', 'server'] as const) : [at]).map((end) => ends[end].rekey()))
  })

const endsOf = {
  'closes its session': (world: World, device: number) => world.clients.get(device)!.session.close(),
  'is closed by the server': (world: World, device: number) => world.theirs(device).close(),
  'is cut off': async (world: World, device: number) => void world.clients.get(device)!.socket.destroy(),
} as const

const ends = (device: number, how: keyof typeof endsOf) =>
  command(`${device} ${how}`, has(device), async (model, world) => {
    await endsOf[how](world, device)
    model.sessions.delete(device)
    world.clients.delete(device)
  })

async function codeOfEnd(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise
  } catch (error) {
    if (error instanceof UsmpError) return error.code
    throw error
  }
  return 'none'
}

const isReset = (error: Error) => ['ECONNRESET', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')

const device = fc.nat({ max: DEVICES - 1 })
const commands = fc.commands(
  [
    device.map(connects),
    device.map(connects),
    device.map(wrong),
    fc.constant(unknown),
    fc.constantFrom(idles('nothing'), idles('HELLO')),
    fc.constantFrom(idles('nothing'), idles('HELLO')),
    fc.nat({ max: 5 }).map(leaves),
    fc.constant(junk),
    fc.record({ device, count: fc.constantFrom(1, 5) }).map(({ device, count }) => talks(device, count)),
    fc
      .record({ device, at: fc.constantFrom('client', 'server', 'both') })
      .map(({ device, at }) => rekeys(device, at as 'client')),
    fc
      .record({ device, how: fc.constantFrom(...(Object.keys(endsOf) as (keyof typeof endsOf)[])) })
      .map(({ device, how }) => ends(device, how)),
  ],
  { maxCommands: MAX_COMMANDS, size: 'max' },
)

/** The server closes while handshakes are under way, in whatever state; nothing is left of anything. */
async function closeInTheMiddle(world: World, late: number): Promise<void> {
  const underWay: Promise<unknown>[] = []
  // One that has not been accepted yet is reset by the system, as its socket says and no session.
  for (let i = 0; i < late; i++) underWay.push(world.connect(i).catch((error: unknown) => error))
  await turns(late)
  await world.server.close()
  for (const outcome of await Promise.all(underWay)) {
    if (outcome instanceof Error) expect(outcome).toSatisfy((error) => error instanceof UsmpError || isReset(error))
  }
  await world.finished()
  for (const { session } of world.clients.values()) expect((await session.closed).code).toBe('CLOSED')
  await until(() => openSockets() === 0, 'no sockets', PATIENCE)
  expect(world.ended).toHaveLength(world.begun.length)
  expect(world.server.sessions).toEqual([])
  expect(world.provider.sealedTwice).toEqual([])
  await until(() => world.provider.alive().length === 0, 'no keys', PATIENCE)
  expect(
    world.provider.secrets.filter(({ bytes }) => bytes.some((byte) => byte !== 0)).map(({ name }) => name),
  ).toEqual([])
}

describe.each(['replace', 'reject'] as const)('a server whose policy for duplicates is "%s"', (duplicates) => {
  test.prop([commands, fc.nat({ max: 3 })], { numRuns: RUNS })(
    'has the sessions it should have, tells who was turned away and why, and leaves nothing behind',
    async (steps, late) => {
      const timers = openTimers()
      const world = await World.start(duplicates)
      const model: Model = {
        duplicates,
        sessions: new Set(),
        idle: [],
        nextIdle: 0,
        refused: [],
        wrongProofs: new Map(),
        begun: 0,
      }
      try {
        await fc.asyncModelRun(() => ({ model, real: world }), steps)
        await closeInTheMiddle(world, late)
        expect(openTimers()).toBeLessThanOrEqual(timers)
      } finally {
        await world.server.close()
        for (const { socket } of world.clients.values()) socket.destroy()
        for (const socket of world.idle.values()) socket.destroy()
        await until(() => openSockets() === 0, 'no sockets', PATIENCE)
      }
    },
    60_000 + 5_000 * RUNS,
  )
})
