import type { Session } from '@usmp/core'
import { bytesOf, pseudoRandom, SimulatedCircuit } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import {
  CELL_DATA,
  type Cell,
  CellKind,
  decodeCell,
  decodeHello,
  encodeCell,
  encodeCount,
  encodeHello,
  MAX_ID,
  WINDOW,
} from '../../src/cell.ts'
import { Channel } from '../../src/channel.ts'
import { Reader, sessionsOn, VirtualClock } from './two-channels.ts'

const NOTHING = new Uint8Array(0)
const instance = bytesOf(8, 1)

/** A channel, and a peer that a test leads by hand. */
class World {
  readonly clock = new VirtualClock()
  readonly channel = new Channel({ clock: this.clock, random: pseudoRandom(5) })
  session!: Session
  reason: string | undefined

  async connect(): Promise<void> {
    const [own, peer] = await sessionsOn(new SimulatedCircuit(this.clock), this.clock)
    this.session = peer
    void this.channel.attach(own).then(({ code }) => (this.reason = code))
    await this.clock.pass(50)
  }

  /** Answers the hello of the channel. */
  async hello(own = instance, next = 1): Promise<void> {
    const { data } = decodeCell((await this.session.receive())!)
    this.raw({ kind: CellKind.HELLO, data: encodeHello({ instance: own, seen: decodeHello(data).instance, next }) })
    await this.clock.pass(50)
  }

  async end(): Promise<void> {
    void this.session.close()
    await this.clock.pass(100)
  }

  raw(cell: Partial<Cell>): void {
    this.session.trySend(
      encodeCell({ kind: CellKind.COVER, ack: 0, late: 0, id: 0, stamp: 1, deadline: 0, data: NOTHING, ...cell }),
    )
  }

  static async greeted(): Promise<World> {
    const world = new World()
    await world.connect()
    await world.hello()
    return world
  }
}

const data = (id: number, size = 1): Partial<Cell> => ({ kind: CellKind.DATA, id, data: bytesOf(size) })
const more = (id: number): Partial<Cell> => ({ kind: CellKind.MORE, id, data: bytesOf(CELL_DATA) })
const skip = (id: number, count: number): Partial<Cell> => ({ kind: CellKind.SKIP, id, data: encodeCount(count) })

describe('what no honest peer sends ends the session as INVALID_RESPONSE, and not the channel', () => {
  test.each<[string, readonly Partial<Cell>[]]>([
    ['a second hello', [{ kind: CellKind.HELLO, data: encodeHello({ instance, seen: bytesOf(8), next: 1 }) }]],
    ['an id that is missing', [data(1), data(3)]],
    ['an id that comes twice', [data(1), data(1)]],
    ['an acknowledgement of nothing that left', [{ ack: 1 }]],
    ['something late of nothing that left', [{ late: 1 }]],
    ['more than the longest message', Array.from({ length: 160 }, (_, i) => more(i + 1))],
    ['an empty last part', [more(1), data(2, 0)]],
    ['an end inside a message', [more(1), { kind: CellKind.END, id: 2 }]],
    ['no ids skipped', [skip(1, 0)]],
    ['too many ids skipped', [skip(1, 1000)]],
    ['more than a window', Array.from({ length: WINDOW + 1 }, (_, i) => data(i + 1))],
    ['an unknown kind', [{ kind: 9 as never }]],
  ])('%s', async (_, cells) => {
    const world = await World.greeted()
    for (const cell of cells) world.raw(cell)
    await world.clock.pass(100)
    expect(world.reason).toBe('INVALID_RESPONSE')
    // The next process of the peer is another chance.
    await world.connect()
    await world.hello(bytesOf(8, 2))
    const reader = new Reader(world.channel)
    world.raw(data(1, 7))
    await world.clock.pass(50)
    expect(reader.got.at(-1)).toHaveLength(7)
  })

  test('the first cell is no hello', async () => {
    const world = new World()
    await world.connect()
    world.raw({})
    await world.clock.pass(100)
    expect(world.reason).toBe('INVALID_RESPONSE')
  })

  test.each([
    ['too short', bytesOf(451)],
    ['of several frames', bytesOf(1000)],
    ['empty', NOTHING],
  ])('a message that is no cell: %s', async (_, message) => {
    const world = await World.greeted()
    world.session.trySend(message)
    await world.clock.pass(100)
    expect(world.reason).toBe('INVALID_RESPONSE')
  })

  test('a hello that expects what it cannot', async () => {
    const world = await World.greeted()
    await world.channel.send('one')
    await world.clock.pass(50)
    for (const next of [0, 3, MAX_ID]) {
      await world.end()
      await world.connect()
      await world.hello(instance, next)
      await world.clock.pass(100)
      expect(world.reason).toBe('INVALID_RESPONSE')
    }
    await world.connect()
    await world.hello(instance, 1)
    expect(decodeCell((await world.session.receive())!)).toMatchObject({ kind: CellKind.DATA, id: 1 })
  })

  test('something behind the end', async () => {
    const world = await World.greeted()
    world.raw({ kind: CellKind.END, id: 1 })
    world.raw(data(2))
    await world.clock.pass(100)
    expect(world.reason).toBe('INVALID_RESPONSE')
    expect((await world.channel.closed).code).toBe('CLOSED')
  })

  test.each<[string, Partial<Cell>, string]>([
    ['a part of a message', { ack: 1 }, 'INVALID_RESPONSE'],
    ['what is late without a lifetime', { ack: 3, late: 1 }, 'INVALID_RESPONSE'],
    ['less than before', { ack: 0 }, 'none'],
  ])('acknowledges %s', async (_, cell, expected) => {
    const world = await World.greeted()
    await world.channel.send(bytesOf(1000))
    await world.clock.pass(50)
    world.raw(cell)
    await world.clock.pass(100)
    expect(world.reason ?? 'none').toBe(expected)
  })

  test('takes an acknowledgement back', async () => {
    const world = await World.greeted()
    await world.channel.send('one')
    await world.channel.send('two')
    await world.clock.pass(50)
    world.raw({ ack: 2 })
    world.raw({ ack: 1 })
    await world.clock.pass(100)
    expect(world.reason).toBe('INVALID_RESPONSE')
  })
})

test('a peer that restarts again and again does not make the queue grow without end', async () => {
  const world = new World()
  for (let round = 0; round < 5; round++) {
    await world.connect()
    await world.hello(bytesOf(8, round + 1))
    for (let id = 1; id <= WINDOW; id++) world.raw(data(id, round + 1))
    await world.clock.pass(100)
    await world.end()
  }
  const reader = new Reader(world.channel)
  await world.clock.pass(10)
  // Of the last one, and of the one before it.
  expect(reader.got.map(({ length }) => length)).toEqual([
    ...Array<number>(WINDOW).fill(4),
    ...Array<number>(WINDOW).fill(5),
  ])
})

test('stamps and deadlines of a lying peer harm only its own messages', async () => {
  const world = await World.greeted()
  const reader = new Reader(world.channel)
  world.raw({ ...data(1, 2), stamp: 2 ** 48 - 1, deadline: 1 })
  world.raw({ ...data(2, 3), stamp: 0, deadline: 2 ** 48 - 1 })
  await world.channel.send('mine', { ttl: 1000 })
  await world.clock.pass(100)
  expect(reader.got.map(({ length }) => length)).toEqual([3])
  expect(world.reason).toBeUndefined()
})
