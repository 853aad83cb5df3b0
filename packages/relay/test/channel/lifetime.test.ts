import { bytesOf, isSettled } from '@usmp/testing'
import { expect, test } from 'vitest'
import { LifetimeClock, PeerTime } from '../../src/lifetime-clock.ts'
import { Reader, TwoChannels, told, VirtualClock } from './two-channels.ts'

test('a message in time is delivered; one whose lifetime ended in the queue is not, and its sender is told', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const expired = told(sender, 'expired')
  const reader = new Reader(receiver)
  await sender.send('before')
  await sender.send('stop', { ttl: 1000 })
  await sender.send('after')
  await world.pass(999)
  expect(expired).toEqual([])
  await world.pass(2)
  // Without a session, and at once.
  expect(expired).toEqual(['stop'])
  await sender.send('in time', { ttl: 1000 })
  await world.connect()
  await world.pass(200)
  expect(reader.texts).toEqual(['before', 'after', 'in time'])
  expect(expired).toEqual(['stop'])
  expect(sender.unconfirmed).toBe(0)
})

test('a message that the relay holds back for too long is not delivered; the order goes on, and the sender is told', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const expired = told(sender, 'expired')
  const reader = new Reader(receiver)
  await world.connect()
  await world.pass(100)
  world.circuit!.held = true
  await sender.send('stop', { ttl: 500 })
  await sender.send('later')
  await world.pass(600)
  world.circuit!.held = false
  await world.pass(200)
  expect(reader.texts).toEqual(['later'])
  expect(expired).toEqual(['stop'])
  expect(sender.unconfirmed).toBe(0)
})

test('held back from the first cell on: the receiver does not take the delay for normal', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const reader = new Reader(receiver)
  await world.connect()
  // The hellos have left; from here on the relay is slow, and always equally so.
  world.circuit!.held = true
  await sender.send('stop', { ttl: 3000 })
  await sender.send('later')
  await world.pass(4000)
  world.circuit!.held = false
  await world.pass(1000)
  expect(reader.texts).toEqual(['later'])
})

test('a message that waits for the application is not delivered late either', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const expired = told(sender, 'expired')
  await world.connect()
  await sender.send('stop', { ttl: 500 })
  await world.pass(1000)
  expect(expired).toEqual([])
  const reader = new Reader(receiver)
  await sender.send('later')
  await world.pass(100)
  expect(reader.texts).toEqual(['later'])
  expect(expired).toEqual(['stop'])
})

test('lost with its session and out of date: its id is skipped, and it counts as expired', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const expired = told(sender, 'expired')
  const reader = new Reader(receiver)
  await world.connect()
  await world.pass(100)
  await sender.send('stop', { ttl: 500 })
  await sender.send('later')
  await world.pass(5)
  world.cut()
  await world.pass(600)
  expect(expired).toEqual([])
  await world.connect()
  await world.pass(200)
  expect(expired).toEqual(['stop'])
  expect(reader.texts).toEqual(['later'])
  expect(sender.unconfirmed).toBe(0)
})

test('a long message that gets out of date in its middle is dropped at both ends', async () => {
  const world = new TwoChannels({ cover: { mode: 'schedule', rate: 10, gaps: 'grid' } })
  const [sender, receiver] = world.channels
  const reader = new Reader(receiver)
  const expired: number[] = []
  sender.addEventListener('expired', ({ data }) => expired.push(data.length))
  await world.connect()
  await sender.send(bytesOf(10_000), { ttl: 1000 })
  await sender.send('later')
  await world.pass(3000)
  expect(expired).toEqual([10_000])
  expect(reader.texts).toEqual(['later'])
  expect(sender.unconfirmed).toBe(0)
})

test('a send that waits for room until its lifetime ends resolves, and the message is told as expired', async () => {
  const world = new TwoChannels({ maxMessages: 1 })
  const [sender] = world.channels
  const expired = told(sender, 'expired')
  await sender.send('first')
  const waiting = sender.send('second', { ttl: 100 })
  expect(await isSettled(waiting)).toBe(false)
  await world.pass(101)
  await waiting
  expect(expired).toEqual(['second'])
})

test('if the peer acknowledges several at once of which some were late, all are told as unconfirmed', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const unconfirmed = told(sender, 'unconfirmed')
  const reader = new Reader(receiver)
  await world.connect()
  await world.pass(100)
  world.circuit!.held = true
  await sender.send('late', { ttl: 100 })
  await sender.send('in time', { ttl: 1000 })
  await world.pass(500)
  world.circuit!.held = false
  await world.pass(200)
  expect(reader.texts).toEqual(['in time'])
  expect(unconfirmed).toEqual(['late', 'in time'])
})

test('the receiver has slept: what came meanwhile is late', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const reader = new Reader(receiver)
  await world.connect()
  await world.pass(100)
  await sender.send('stop', { ttl: 5000 })
  // The machine sleeps for a minute; its monotonic clock does not count that.
  world.wall[1] = 60_000
  await world.pass(100)
  expect(reader.texts).toEqual([])
  // After that lifetimes are right again.
  await receiver.send('awake')
  await world.pass(100)
  await sender.send('go', { ttl: 5000 })
  await world.pass(100)
  expect(reader.texts).toEqual(['go'])
})

test('the sender has slept: what waited is expired', async () => {
  const world = new TwoChannels()
  const [sender, receiver] = world.channels
  const expired = told(sender, 'expired')
  const reader = new Reader(receiver)
  await sender.send('stop', { ttl: 5000 })
  world.wall[0] = 60_000
  await world.connect()
  await world.pass(100)
  expect(reader.texts).toEqual([])
  expect(expired).toEqual(['stop'])
})

test('a wall clock that is set makes messages expire early at most', async () => {
  for (const side of [0, 1] as const) {
    for (const step of [-3_600_000, 3_600_000]) {
      const world = new TwoChannels()
      const reader = new Reader(world.channels[1])
      await world.connect()
      await world.pass(100)
      world.wall[side] = step
      world.circuit!.held = true
      await world.channels[0].send('stop', { ttl: 500 })
      await world.pass(600)
      world.circuit!.held = false
      await world.pass(100)
      expect(reader.texts).toEqual([])
    }
  }
})

test('the lifetime clock: a slow correction is no jump, a step back is none', () => {
  const clock = new VirtualClock()
  let wall = 0
  const lifetime = new LifetimeClock(clock, () => clock.now() + wall)
  const begin = lifetime.now()
  wall += 20
  expect(lifetime.now() - begin).toBe(0)
  wall -= 5000
  expect(lifetime.now() - begin).toBe(0)
  wall += 5000
  expect(lifetime.now() - begin).toBe(5000)
  expect(lifetime.jumps).toBe(5000)
})

test("the peer's time is never later than the truth, and the fastest cell makes it exact but for its way", async () => {
  const clock = new VirtualClock()
  const lifetime = new LifetimeClock(clock, () => clock.now())
  const peer = new PeerTime(lifetime)
  // The peer's clock is 1000 behind; cells took 300, 20 and 500 ms.
  for (const [way, expected] of [
    [300, 300],
    [20, 20],
    [500, 20],
  ] as const) {
    peer.measure(clock.now() - 1000 - way)
    expect(clock.now() - 1000 - peer.at(clock.now())).toBeCloseTo(expected, 1)
  }
  // Two crystals: 200 ms in a million.
  await clock.pass(1_000_000)
  expect(clock.now() - 1000 - peer.at(clock.now())).toBeCloseTo(220, 1)
})

test('a jump of the own clock may have been a step of the wall clock: until the next cell the peer is taken to be behind', () => {
  const clock = new VirtualClock()
  let wall = 0
  const lifetime = new LifetimeClock(clock, () => clock.now() + wall)
  const peer = new PeerTime(lifetime)
  peer.measure(100)
  const before = peer.at(lifetime.now())
  wall = 3_600_000
  expect(peer.at(lifetime.now())).toBeLessThanOrEqual(before)
})
