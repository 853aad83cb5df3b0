import { UsmpError } from '@usmp/core'
import { bytesOf, codeOf, expectBytes, isSettled } from '@usmp/testing'
import { expect, test } from 'vitest'
import { CELL_DATA, MAX_CHANNEL_MESSAGE, WINDOW } from '../../src/cell.ts'
import type { Cover } from '../../src/cover.ts'
import { Reader, TwoChannels, told } from './two-channels.ts'

test('messages of all sizes arrive in order, in both directions, and are confirmed', async () => {
  const world = new TwoChannels()
  const sizes = [0, 1, CELL_DATA, CELL_DATA + 1, 2 * CELL_DATA, 1500, MAX_CHANNEL_MESSAGE]
  const readers = world.channels.map((channel) => new Reader(channel))
  for (const channel of world.channels) for (const size of sizes) await channel.send(bytesOf(size, size))
  const flushed = world.channels.map((channel) => channel.flush())
  await world.connect()
  await world.pass(500)
  for (const { got } of readers) {
    expect(got.map(({ length }) => length)).toEqual(sizes)
    for (const [at, message] of got.entries()) expectBytes(message, bytesOf(sizes[at]!, sizes[at]!))
  }
  await Promise.all(flushed)
  expect(world.channels.map(({ unconfirmed }) => unconfirmed)).toEqual([0, 0])
})

test('every cell is one frame of 492 bytes', async () => {
  const world = new TwoChannels()
  new Reader(world.channels[1])
  await world.connect()
  const handshake = world.frames.filter(({ size }) => size !== 492).length
  for (const size of [0, 5, 424, 425, 426, 5000]) world.channels[0].trySend(bytesOf(size))
  await world.pass(1000)
  expect(world.frames.filter(({ size }) => size !== 492)).toHaveLength(handshake)
  expect(handshake).toBe(4)
})

test('what was under way when a session died is sent again, once', async () => {
  const world = new TwoChannels()
  const reader = new Reader(world.channels[1])
  await world.connect()
  await world.pass(100)
  for (let i = 0; i < 10; i++) await world.channels[0].send(`a${i}`)
  await world.pass(11)
  // They have arrived, and their acknowledgement has not left.
  expect(reader.got).toHaveLength(10)
  expect(world.channels[0].unconfirmed).toBe(10)
  for (let i = 0; i < 10; i++) await world.channels[0].send(`b${i}`)
  await world.pass(5)
  world.cut()
  await world.channels[0].send('c')
  await world.connect()
  await world.pass(200)
  const numbers = Array.from({ length: 10 }, (_, i) => i)
  expect(reader.texts).toEqual([...numbers.map((i) => `a${i}`), ...numbers.map((i) => `b${i}`), 'c'])
  expect(world.channels[0].unconfirmed).toBe(0)
  expect(world.reasons.map(({ code }) => code)).toEqual(['TRUNCATED', 'TRUNCATED'])
})

test('a long message goes on in the next session where the last one broke off', async () => {
  const world = new TwoChannels({ cover: { mode: 'schedule', rate: 100, gaps: 'grid' } })
  const reader = new Reader(world.channels[1])
  await world.connect()
  const message = bytesOf(MAX_CHANNEL_MESSAGE, 3)
  await world.channels[0].send(message)
  const sent = () => world.frames.filter(({ from, size }) => from === 0 && size === 492).length
  await world.pass(700)
  expect(sent()).toBeLessThan(100)
  await world.connect()
  await world.pass(1300)
  expectBytes(reader.got[0]!, message)
  // 155 cells, of which one or two were under way, and those before the hello of the peer was there.
  expect(sent()).toBeGreaterThan(155)
  expect(sent()).toBeLessThan(240)
})

test('an acknowledgement leaves within 25 ms without a message, and rides on one that comes before', async () => {
  const world = new TwoChannels({}, { latency: 1 })
  new Reader(world.channels[0])
  new Reader(world.channels[1])
  await world.connect()
  await world.pass(100)
  world.frames.length = 0
  const begin = world.clock.now()
  await world.channels[0].send('hello')
  await world.pass(200)
  expect(world.frames.map(({ from, at }) => [from, at - begin])).toEqual([
    [0, 0],
    [1, 26],
  ])
  world.frames.length = 0
  await world.channels[0].send('hello')
  await world.pass(10)
  await world.channels[1].send('answer')
  await world.pass(200)
  // The answer took it along; then the answer is acknowledged.
  expect(world.frames.map(({ from }) => from)).toEqual([0, 1, 0])
})

test('the sender keeps so much, then send waits and trySend refuses', async () => {
  const world = new TwoChannels({ maxMessages: 3 })
  const [sender, receiver] = world.channels
  for (let i = 0; i < 3; i++) expect(sender.trySend(`${i}`)).toBe(true)
  expect(sender.trySend('no')).toBe(false)
  const aborted = new AbortController()
  const [waiting, calledOff] = [sender.send('3'), sender.send('never', { signal: aborted.signal })]
  const code = codeOf(calledOff)
  aborted.abort()
  expect(await code).toBe('ABORTED')
  expect(await isSettled(waiting)).toBe(false)
  await world.connect()
  await world.pass(500)
  // Nobody has taken anything yet.
  expect(await isSettled(waiting)).toBe(false)
  const reader = new Reader(receiver)
  await world.pass(500)
  await waiting
  await world.pass(500)
  expect(reader.texts).toEqual(['0', '1', '2', '3'])
})

test('bytes are limited as well', async () => {
  const world = new TwoChannels({ maxBytes: MAX_CHANNEL_MESSAGE })
  expect(world.channels[0].trySend(bytesOf(MAX_CHANNEL_MESSAGE - 1))).toBe(true)
  expect(world.channels[0].trySend(bytesOf(2))).toBe(false)
  expect(world.channels[0].trySend(bytesOf(1))).toBe(true)
})

test('a receiver that takes nothing holds the sender up after a window of cells', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  for (let i = 0; i < 1000; i++) await sender.send(`${i}`)
  await world.connect()
  await world.pass(5000)
  expect(world.frames.filter(({ from, size }) => from === 0 && size === 492)).toHaveLength(1 + WINDOW)
  // The other direction does not wait for it.
  const other = new Reader(sender)
  await receiver.send('still here')
  await world.pass(100)
  expect(other.texts).toEqual(['still here'])
  const reader = new Reader(receiver)
  await world.pass(5000)
  expect(reader.texts).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`))
})

test('a full transport holds cells up and loses none', async () => {
  const world = new TwoChannels({}, { capacity: 2, latency: 50 })
  const reader = new Reader(world.channels[1])
  await world.connect()
  for (let i = 0; i < 100; i++) await world.channels[0].send(`${i}`)
  await world.pass(20_000)
  expect(reader.texts).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
  expect(world.channels[0].unconfirmed).toBe(0)
})

test('a message is copied when it is accepted', async () => {
  const world = new TwoChannels()
  const reader = new Reader(world.channels[1])
  const message = bytesOf(10, 1)
  await world.channels[0].send(message)
  message.fill(0)
  await world.connect()
  await world.pass(100)
  expectBytes(reader.got[0]!, bytesOf(10, 1))
})

test('wrong arguments', async () => {
  const world = new TwoChannels()
  const [channel] = world.channels
  expect(await codeOf(channel.send(bytesOf(MAX_CHANNEL_MESSAGE + 1)))).toBe('MESSAGE_TOO_LARGE')
  expect(await codeOf(channel.send('x', { ttl: 0 }))).toBe('INVALID_ARGUMENT')
  expect(() => channel.trySend(7 as never)).toThrow('must be text or a Uint8Array')
  expect(() => new TwoChannels({ cover: { mode: 'schedule', rate: 1000 } })).toThrow('1/60 to 100')
  expect(() => new TwoChannels({ maxBytes: 1 })).toThrow('maxBytes')
  const waits = channel.receive()
  expect(await codeOf(channel.receive())).toBe('INVALID_ARGUMENT')
  expect(await isSettled(waits)).toBe(false)
  const [session] = await world.connect()
  expect(await codeOf(channel.attach(session))).toBe('INVALID_ARGUMENT')
})

// ─── the end ───

test('close: what was accepted arrives, then the good end; both sessions end as CLOSED', async () => {
  const world = new TwoChannels()
  const reader = new Reader(world.channels[1])
  await world.connect()
  await world.channels[0].send('last words')
  const closed = world.channels[0].close()
  expect(await codeOf(world.channels[0].send('too late'))).toBe('CLOSED')
  expect(world.channels[0].trySend('too late')).toBe(false)
  await world.pass(500)
  await closed
  expect(reader.texts).toEqual(['last words'])
  expect(reader.reason).toBeUndefined()
  expect((await world.channels[1].closed).code).toBe('CLOSED')
  expect(world.reasons.map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED'])
  expect(await codeOf(world.channels[1].send('x'))).toBe('CLOSED')
  expect(world.clock.pending).toBe(0)
})

test('both close at once', async () => {
  const world = new TwoChannels()
  await world.connect()
  const closed = world.channels.map((channel) => channel.close())
  await world.pass(500)
  await Promise.all(closed)
  expect(world.reasons.map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED'])
})

test('a close that a dead session cuts off goes on in the next one', async () => {
  const world = new TwoChannels()
  const reader = new Reader(world.channels[1])
  await world.connect()
  await world.channels[0].send('last words')
  const closed = world.channels[0].close()
  await world.pass(5)
  world.cut()
  await world.pass(1000)
  expect(await isSettled(closed)).toBe(false)
  await world.connect()
  await world.pass(500)
  await closed
  expect(reader.texts).toEqual(['last words'])
  expect(reader.reason).toBeUndefined()
})

test('a close ends after 5 s when the peer is gone, and tells what is not confirmed', async () => {
  const world = new TwoChannels()
  const unconfirmed = told(world.channels[0], 'unconfirmed')
  await world.connect()
  await world.channels[0].send('nobody takes it')
  const closed = world.channels[0].close()
  await world.pass(4990)
  expect(await isSettled(closed)).toBe(false)
  await world.pass(20)
  await closed
  expect(unconfirmed).toEqual(['nobody takes it'])
})

test('without a session a close is the end at once', async () => {
  const world = new TwoChannels()
  const unconfirmed = told(world.channels[0], 'unconfirmed')
  await world.channels[0].send('kept')
  const flushed = codeOf(world.channels[0].flush())
  await world.channels[0].close()
  expect(await flushed).toBe('CLOSED')
  expect(unconfirmed).toEqual(['kept'])
  const [session] = await world.connect()
  await world.pass(100)
  expect((await session.closed).code).toBe('CLOSED')
})

test('abort: everybody who waits is told why', async () => {
  const world = new TwoChannels({ maxMessages: 1 })
  const [channel] = world.channels
  const reader = new Reader(channel)
  await channel.send('first')
  const codes = Promise.all([codeOf(channel.send('second')), codeOf(channel.flush())])
  channel.abort(new UsmpError('AUTH_FAILED'))
  expect(await codes).toEqual(['AUTH_FAILED', 'AUTH_FAILED'])
  await world.pass(1)
  expect((reader.reason as UsmpError).code).toBe('AUTH_FAILED')
  expect((await channel.closed).code).toBe('AUTH_FAILED')
})

test('leaving the loop closes the channel', async () => {
  const world = new TwoChannels()
  await world.connect()
  await world.channels[1].send('one')
  const loop = (async () => {
    for await (const _ of world.channels[0]) break
  })()
  await world.pass(500)
  await loop
  expect((await world.channels[1].closed).code).toBe('CLOSED')
})

// ─── restarts ───

test('a peer that has restarted gets what was not confirmed; the application is told', async () => {
  const world = new TwoChannels()
  const [sender] = world.channels
  const restarted: string[] = []
  sender.addEventListener('peerrestarted', ({ type }) => restarted.push(type))
  new Reader(world.channels[1])
  await world.connect()
  await world.pass(100)
  expect(restarted).toEqual([])
  await sender.send('confirmed')
  await world.pass(100)
  await sender.send('on its way')
  await world.pass(15)
  const reader = new Reader(world.restart(1))
  await sender.send('new')
  await world.connect()
  await world.pass(100)
  expect(restarted).toHaveLength(1)
  expect(reader.texts).toEqual(['on its way', 'new'])
  await world.channels[1].send('from the new one')
  const back = new Reader(sender)
  await world.pass(100)
  expect(back.texts).toEqual(['from the new one'])
})

test.each<Cover>([{ mode: 'off' }, { mode: 'schedule', rate: 100, gaps: 'grid' }])(
  'cells that leave before the hello of a restarted peer is there tell it nothing of the former one: %o',
  async (cover) => {
    const world = new TwoChannels({ cover }, { latency: 60 })
    await world.connect()
    await world.pass(500)
    for (let i = 0; i < 5; i++) await world.channels[1].send(`${i}`)
    await world.pass(500)
    await world.restart(1).send('new')
    await world.connect()
    // The application takes them while the hello is under way.
    const reader = new Reader(world.channels[0])
    await world.pass(1000)
    expect(reader.texts).toEqual(['0', '1', '2', '3', '4', 'new'])
    expect(world.reasons.map(({ code }) => code)).toEqual(['TRUNCATED', 'TRUNCATED'])
    expect(world.channels[1].unconfirmed).toBe(0)
  },
)

test('what a peer had sent before it restarted is still delivered, and messages of the new one behind it', async () => {
  const world = new TwoChannels()
  await world.connect()
  await world.channels[1].send('old')
  await world.pass(100)
  await world.restart(1).send('new')
  await world.connect()
  await world.pass(100)
  const reader = new Reader(world.channels[0])
  await world.pass(100)
  expect(reader.texts).toEqual(['old', 'new'])
  expect(world.channels[1].unconfirmed).toBe(0)
})

test.each([
  ['says no', () => false],
  [
    'throws',
    () => {
      throw new Error('hostile')
    },
  ],
])('onUnconfirmed that %s: the message is not sent again, and the event tells', async (_, answer) => {
  const asked: string[] = []
  const onUnconfirmed = (message: Uint8Array) => {
    asked.push(new TextDecoder().decode(message))
    return answer()
  }
  const world = new TwoChannels({ onUnconfirmed })
  const unconfirmed = told(world.channels[0], 'unconfirmed')
  await world.connect()
  await world.pass(100)
  await world.channels[0].send('maybe')
  await world.pass(5)
  const reader = new Reader(world.restart(1))
  await world.channels[0].send('not sent yet')
  await world.connect()
  await world.pass(100)
  expect(asked).toEqual(['maybe'])
  expect(unconfirmed).toEqual(['maybe'])
  expect(reader.texts).toEqual(['not sent yet'])
})

test('onUnconfirmed may abort the channel', async () => {
  const onUnconfirmed = (): boolean => {
    world.channels[0].abort(new UsmpError('CLOSED'))
    return true
  }
  const world: TwoChannels = new TwoChannels({ onUnconfirmed })
  const unconfirmed = told(world.channels[0], 'unconfirmed')
  await world.connect()
  await world.pass(100)
  await world.channels[0].send('a')
  await world.channels[0].send('b')
  await world.pass(5)
  world.restart(1)
  await world.connect()
  await world.pass(100)
  expect(unconfirmed.sort()).toEqual(['a', 'b'])
})
