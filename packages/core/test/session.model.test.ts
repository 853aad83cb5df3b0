import { fc, test } from '@fast-check/vitest'
import { bytesOf, flipBit, inOrderOf, otherSide, type Side } from '@usmp/testing'
import { describe, expect } from 'vitest'
import { isZero } from '../src/bytes.ts'
import type { TransportKind } from '../src/connection.ts'
import type { DatagramOptions } from '../src/datagram.js'
import { CAPACITY, SIDES, TwoSessions, type Witness } from './two-sessions.ts'

/** How many runs for each kind of transport; `pnpm properties` sets more. */
const RUNS = Number(process.env.USMP_MODEL_RUNS ?? 15)
const MAX_COMMANDS = 60

/** An inbox takes 64 messages before it stops reading, and then what the same chunk of a stream, or the reordering, still gives out. */
const MAX_UNREAD = 2 * (64 + 128)
/** `send` calls that may wait. */
const MAX_WAITING_SENDS = 1024
/** A transport is handed 64 kB more than it wants at most, and what answers a peer. */
const MAX_UNSENT = CAPACITY + 64 * 1024 + 8 * 1024

/** The naive model needs no state of its own: what was sent and what came out stand in the witnesses. */
type Model = object

interface Played extends fc.AsyncCommand<Model, TwoSessions> {
  toString(): string
}

/** A command that needs a connection, or a session of its side; without it is nothing happens. */
function command(
  name: string,
  needs: 'nothing' | 'a connection' | Side,
  play: (world: TwoSessions) => unknown,
): Played {
  return {
    check: () => true,
    async run(_model, world) {
      const ready =
        needs === 'nothing' || (world.sides && (needs === 'a connection' || world.sides[needs].session !== undefined))
      if (!ready) return
      await play(world)
      await world.settle()
      verify(world)
    },
    toString: () => name,
  }
}

/** What holds after every single step. */
function verify(world: TwoSessions): void {
  expect(world.provider.sealedTwice).toEqual([])
  // One timer a session, and none for one that has ended.
  expect(world.clock.pending).toBeLessThanOrEqual(SIDES.filter((at) => world.sides && !world.sides[at].reason).length)
  expect(world.unread).toBeLessThanOrEqual(MAX_UNREAD)
  if (!world.sides) return
  for (const side of SIDES) {
    const { open, transport } = world.sides[side]
    expect(open.sends).toBeLessThanOrEqual(MAX_WAITING_SENDS)
    if (world.kind !== 'datagram') expect(transport.outBytes).toBeLessThanOrEqual(MAX_UNSENT)
  }
}

/** Nothing lost from the middle, repeated or exchanged; and unless the end was loud, nothing lost at all. */
function compare(world: TwoSessions, inOrder: boolean): void {
  for (const side of SIDES) {
    const receiver = world.sides![side]
    const sender = world.sides![otherSide(side)]
    expect(sender.dropped, `${otherSide(side)} closed before it had sent what it had accepted`).toEqual([])
    if (inOrder) {
      // Over datagrams a receiver goes on without what its sender has given up, or no longer sends as it failed (specification,
      // section 7.7). Both are told then.
      const lost = world.kind === 'datagram' && wasLost(receiver) && hasFailed(sender)
      if (lost || lossCanBeUnnoticed(world)) expect(inOrderOf(receiver.got, sender.sent)).toBe(true)
      else expect(receiver.got).toEqual(sender.sent.slice(0, receiver.got.length))
    }
    expect(new Set(receiver.got).size).toBe(receiver.got.length)
    expect(receiver.got.filter((message) => !sender.sent.includes(message))).toEqual([])
    if (mayHaveLost(receiver) || lossCanBeUnnoticed(world)) continue
    expect([...receiver.got].sort(), `${side} lost something and was not told`).toEqual([...sender.sent].sort())
  }
}

const wasLost = ({ reason }: Witness) =>
  reason !== undefined && ['TRANSPORT_FAILED', 'IDLE_TIMEOUT'].includes(reason.code)

/** Ended without a BYE, and its own side knows why. */
const hasFailed = ({ reason }: Witness) => reason !== undefined && reason.code !== 'CLOSED'

/**
 * On a serial line, what noise destroys right before a change of keys leaves no gap in the numbers (specification, section 5.4).
 * Without noise, or without a rekey, nothing is lost unnoticed there either.
 */
const lossCanBeUnnoticed = ({ kind, noisy, sides }: TwoSessions) =>
  kind === 'serial' && noisy && SIDES.some((side) => sides![side].hasRekeyed)

/** A side that was told of a fault, or has itself asked for the end, or has never had a session. */
function mayHaveLost({ reason, closing, session }: Witness): boolean {
  return closing || !session || (reason !== undefined && reason.code !== 'CLOSED')
}

const side = fc.constantFrom<Side>(...SIDES)
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const size = fc.oneof(fc.nat({ max: 60 }), fc.constantFrom(452, 453, 904, 905, 1808))
/** From below the shortest timer to above the longest. */
const pause = fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(1_000, 5_000, 20_000, 45_000, 61_000))

const ofSide = (name: string, play: (world: TwoSessions, side: Side) => unknown) =>
  side.map((at) => command(`${name} ${at}`, at, (world) => play(world, at)))
const onWire = (name: string, play: (world: TwoSessions, to: Side, share: number) => unknown) =>
  fc
    .record({ to: side, where: share })
    .map(({ to, where }) =>
      command(`${name} to ${to} at ${where.toFixed(2)}`, 'a connection', (world) => play(world, to, where)),
    )

const always: { readonly weight: number; readonly arbitrary: fc.Arbitrary<Played> }[] = [
  {
    weight: 3,
    arbitrary: fc.constant(
      command('connect', 'nothing', async (world) => {
        if (!world.over) return
        if (world.sides) await world.everythingArrives(true)
        world.connect()
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constant(command('everything arrives', 'a connection', (world) => world.everythingArrives(false))),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({ at: side, size })
      .map(({ at, size }) => command(`send ${at} ${size}`, at, (world) => world.send(at, size))),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ at: side, size })
      .map(({ at, size }) => command(`trySend ${at} ${size}`, at, (world) => world.trySend(at, size))),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ at: side, count: fc.constantFrom(20, 80, 1200), size })
      .filter(({ count, size }) => count < 1000 || size < 60)
      .map(({ at, count, size }) =>
        command(`send ${at} ${count} × ${size}`, at, (world) => {
          for (let i = 0; i < count; i++) world.send(at, size)
        }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ at: side, count: fc.constantFrom(1, 3, 200) })
      .map(({ at, count }) => command(`receive ${at} ${count}`, at, (world) => world.receive(at, count))),
  },
  { weight: 6, arbitrary: onWire('deliver', (world, to, where) => world.deliver(to, where)) },
  { weight: 2, arbitrary: ofSide('ping', (world, at) => world.ping(at)) },
  { weight: 2, arbitrary: ofSide('rekey', (world, at) => world.rekey(at)) },
  { weight: 1, arbitrary: ofSide('abort waiting sends', (world, at) => world.abortSends(at)) },
  {
    weight: 2,
    arbitrary: pause.map((ms) => command(`wait ${ms}`, 'nothing', (world) => world.advance(ms))),
  },
]

const faults = (kind: TransportKind): { readonly weight: number; readonly arbitrary: fc.Arbitrary<Played> }[] => [
  {
    weight: 1,
    arbitrary: side.map((at) => command(`close ${at}`, 'a connection', (world) => world.close(at))),
  },
  { weight: 1, arbitrary: fc.constant(command('cut', 'a connection', (world) => world.cut())) },
  {
    weight: 1,
    arbitrary: side.map((at) =>
      command(`fail the next write of ${at}`, 'a connection', (world) => {
        world.sides![at].transport.failing = true
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 1, max: 4 })
      .map((calls) =>
        command(`fail the seal in ${calls}`, 'a connection', (world) => world.provider.failSealIn(calls)),
      ),
  },
  { weight: 1, arbitrary: onWire('turn a bit', turnBit) },
  { weight: 1, arbitrary: onWire('an old frame again', again) },
  { weight: 1, arbitrary: onWire('its own frame back', reflect) },
  ...(kind === 'datagram'
    ? [
        { weight: 3, arbitrary: onWire('lose', lose) },
        {
          weight: 2,
          arbitrary: fc
            .constantFrom(5_000, 35_000)
            .map((ms) => command(`nothing arrives for ${ms}`, 'a connection', (world) => partition(world, ms))),
        },
        { weight: 2, arbitrary: onWire('twice', twice) },
        { weight: 1, arbitrary: onWire('junk', junk) },
      ]
    : []),
  ...(kind === 'serial'
    ? [
        { weight: 1, arbitrary: onWire('lose', lose) },
        { weight: 1, arbitrary: onWire('junk', junk) },
      ]
    : []),
]

/** Runs `change` on one piece of what is under way to a side. */
function changeOne(world: TwoSessions, to: Side, where: number, change: (piece: Uint8Array) => Uint8Array[]): void {
  world.noisy = true
  const lane = world.lane(to)
  if (lane.length === 0) return
  const index = Math.floor(lane.length * where)
  lane.splice(index, 1, ...change(lane[index]!))
}

function turnBit(world: TwoSessions, to: Side, where: number): void {
  changeOne(world, to, where, (piece) => [flipBit(piece, Math.floor(piece.length * where), Math.floor(where * 64) % 8)])
}

function lose(world: TwoSessions, to: Side, where: number): void {
  changeOne(world, to, where, () => [])
}

/** Shorter than a session waits for a sign of life, and in the long case longer than it repeats a datagram. */
async function partition(world: TwoSessions, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    world.cut()
    await world.advance(250)
  }
}

function twice(world: TwoSessions, to: Side, where: number): void {
  changeOne(world, to, where, (piece) => [piece, piece])
}

function junk(world: TwoSessions, to: Side, where: number): void {
  world.noisy = true
  for (let i = 0; i < 20; i++) world.lane(to).push(bytesOf(1 + Math.floor(where * 500), i + Math.floor(where * 1e6)))
}

function putOn(world: TwoSessions, to: Side, frames: readonly Uint8Array[], where: number): void {
  const frame = frames[Math.floor(frames.length * where)]
  world.noisy = true
  if (frame) world.lane(to).push(frame)
}

function again(world: TwoSessions, to: Side, where: number): void {
  putOn(world, to, world.sides![otherSide(to)].transport.written, where)
}

function reflect(world: TwoSessions, to: Side, where: number): void {
  putOn(world, to, world.sides![to].transport.written, where)
}

/** Every session begins so: most runs are to be about sessions, not about handshakes. */
const begin = [
  command('connect', 'nothing', (world) => world.connect()),
  command('everything arrives', 'a connection', (world) => world.everythingArrives(false)),
]

async function play(
  kind: TransportKind,
  commands: Iterable<fc.AsyncCommand<Model, TwoSessions>>,
  datagram: DatagramOptions = {},
): Promise<TwoSessions> {
  const world = new TwoSessions(kind, datagram)
  const inOrder = datagram.delivery !== 'on-arrival'
  try {
    const setup = () => ({ model: {}, real: world })
    await fc.asyncModelRun(setup, [...begin])
    for (const step of commands) {
      const before = world.sides
      await fc.asyncModelRun(setup, [step])
      if (before && before !== world.sides) compareAndForget(world, before, inOrder)
    }
    await finish(world, inOrder)
  } finally {
    world.dispose()
  }
  return world
}

/** A connection that another one has followed. */
function compareAndForget(world: TwoSessions, sides: Record<Side, Witness>, inOrder: boolean): void {
  const current = world.sides
  world.sides = sides
  compare(world, inOrder)
  world.sides = current
}

/** Lets the wire be good again, compares, ends, and looks at what is left. */
async function finish(world: TwoSessions, inOrder: boolean): Promise<void> {
  world.provider.failSealIn(0)
  await world.heal()
  verify(world)
  compare(world, inOrder)
  for (const at of SIDES) {
    const { session, reason, open } = world.sides![at]
    // Who lives on, and has a peer, waits for nothing. A PING that was lost unnoticed is answered by the PONG to a later one.
    const pings = lossCanBeUnnoticed(world) ? expect.any(Number) : 0
    if (session && !reason && !world.sides![otherSide(at)].reason) expect(open).toEqual({ sends: 0, pings, rekeys: 0 })
  }
  await world.end()
  compare(world, inOrder)
  for (const at of SIDES) {
    expect(world.sides![at].reason, `${at} never ended`).toBeDefined()
    expect(world.sides![at].open).toEqual({ sends: 0, pings: 0, rekeys: 0 })
  }
  expect(world.clock.pending, 'timers left').toBe(0)
  expect(world.clock.runDeferred(), 'work left').toBe(false)
  expect(world.provider.alive(), 'keys not wiped').toEqual([])
  expect(world.provider.secrets.filter(({ bytes }) => !isZero(bytes)).map(({ name }) => name)).toEqual([])
}

const commandsFor = (kind: TransportKind) =>
  fc.commands(
    [...always, ...faults(kind)].flatMap(({ weight, arbitrary }) =>
      Array<fc.Arbitrary<Played>>(weight).fill(arbitrary),
    ),
    { maxCommands: MAX_COMMANDS, size: 'max' },
  )
const peaceful = fc.commands(
  always.flatMap(({ weight, arbitrary }) => Array<fc.Arbitrary<Played>>(weight).fill(arbitrary)),
  { maxCommands: MAX_COMMANDS, size: 'max' },
)

/** How a session may end whose bytes came late, or its own side's wish at the end of the run. */
const ENDS_OF_TIME = ['CLOSED', 'TRUNCATED', 'ABORTED', 'IDLE_TIMEOUT', 'TRANSPORT_FAILED', 'HANDSHAKE_TIMEOUT']

const timeout = 60_000 + 2_000 * RUNS

describe.each(['stream', 'message', 'serial', 'datagram'] as const)('sessions on a %s transport', (kind) => {
  test.prop([commandsFor(kind)], { numRuns: RUNS })(
    'lose, repeat and reorder nothing in silence, whatever happens, and leave nothing behind',
    async (commands) => {
      await play(kind, commands)
    },
    timeout,
  )

  test.prop([peaceful], { numRuns: Math.ceil(RUNS / 4) })(
    'end by nothing but time while the wire only holds things up',
    async (commands) => {
      const world = await play(kind, commands)
      for (const reason of world.reasons) expect(ENDS_OF_TIME).toContain(reason)
    },
    timeout,
  )
})

describe('sessions on a datagram transport, delivery on arrival', () => {
  test.prop([commandsFor('datagram')], { numRuns: RUNS })(
    'accept nothing twice',
    async (commands) => {
      await play('datagram', commands, { delivery: 'on-arrival' })
    },
    timeout,
  )
})
