import { asUsmpError } from '@usmp/core'
import { bytesOf, pseudoRandom } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { type Cover, CoverTicker, sessionTiming } from '../../src/cover.ts'
import { Reader, TwoChannels, VirtualClock } from './two-channels.ts'

/** When a cover ticks, ms after its start. */
async function ticksOf(cover: Cover, time: number, seed = 1): Promise<number[]> {
  const clock = new VirtualClock()
  const begin = clock.now()
  const ticks: number[] = []
  const handler = { onTick: () => ticks.push(clock.now() - begin), onTickerFailed: () => {} }
  const ticker = new CoverTicker(cover, clock, pseudoRandom(seed), handler)
  ticker.start()
  clock.step(begin)
  while (clock.step(begin + time));
  ticker.stop()
  expect(clock.pending).toBe(0)
  return ticks
}

const gapsOf = (times: readonly number[]) => times.map((time, at) => time - (times[at - 1] ?? 0))
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

describe('ticks', () => {
  test('a grid ticks evenly', async () => {
    const ticks = await ticksOf({ mode: 'schedule', rate: 4, gaps: 'grid' }, 2000)
    expect(ticks).toEqual([250, 500, 750, 1000, 1250, 1500, 1750, 2000])
  })

  test('exponential gaps have the mean of the rate, their spread, and an end', async () => {
    const gaps = gapsOf(await ticksOf({ mode: 'schedule', rate: 10 }, 1_000_000))
    expect(mean(gaps)).toBeGreaterThan(95)
    expect(mean(gaps)).toBeLessThan(105)
    const spread = Math.sqrt(mean(gaps.map((gap) => (gap - mean(gaps)) ** 2)))
    expect(spread).toBeGreaterThan(90)
    expect(spread).toBeLessThan(110)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(800 + 1e-6)
  })

  test('noise ticks every 30 to 90 s, off never', async () => {
    const gaps = gapsOf(await ticksOf({ mode: 'noise' }, 3_600_000))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(30_000 - 1e-6)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(90_000 + 1e-6)
    expect(gaps.length).toBeGreaterThan(40)
    expect(await ticksOf({ mode: 'off' }, 3_600_000)).toEqual([])
  })

  test('after a stall the missed ticks are skipped', () => {
    const clock = new VirtualClock()
    const stalled = { ...clock, now: () => clock.now() + stall, setTimer: clock.setTimer.bind(clock) }
    let stall = 0
    let ticks = 0
    const handler = { onTick: () => ticks++, onTickerFailed: () => {} }
    const ticker = new CoverTicker(
      { mode: 'schedule', rate: 10, gaps: 'grid' },
      stalled as never,
      pseudoRandom(1),
      handler,
    )
    ticker.start()
    const begin = clock.now()
    while (clock.step(begin + 500));
    expect(ticks).toBe(5)
    stall = 10_000
    while (clock.step(begin + 1000));
    expect(ticks).toBe(10)
  })

  test('a random source that fails is told, and throws into no timer', () => {
    const clock = new VirtualClock()
    let draws = 0
    const random = () => {
      if (draws++ > 1) throw new Error('broken')
      return bytesOf(4, 7)
    }
    let reason: string | undefined
    const handler = {
      onTick: () => {},
      onTickerFailed: (error: unknown) => (reason = asUsmpError(error, 'CLOSED').code),
    }
    const ticker = new CoverTicker({ mode: 'schedule', rate: 10 }, clock, random, handler)
    ticker.start()
    while (clock.step(clock.now() + 60_000));
    expect(reason).toBe('RANDOM_FAILED')
  })
})

describe('a schedule', () => {
  const cover: Cover = { mode: 'schedule', rate: 4, gaps: 'exponential' }

  /** When frames leave each end with some traffic, and the sizes. */
  async function watch(traffic: (world: TwoChannels) => Promise<void>): Promise<readonly (readonly number[])[]> {
    const world = new TwoChannels({ cover, random: pseudoRandom(3) })
    for (const channel of world.channels) new Reader(channel)
    await world.connect()
    await traffic(world)
    const end = world.clock.now() + 60_000
    world.frames.splice(
      0,
      world.frames.findIndex(({ at }) => at >= 1200),
    )
    await world.pass(end - world.clock.now())
    return world.frames.filter(({ at }) => at < 60_000).map(({ from, at, size }) => [from, at, size])
  }

  test('the frames are the same, whatever is said: in both directions, to the millisecond and the byte', async () => {
    const silent = await watch(async () => {})
    const busy = await watch(async (world) => {
      for (let i = 0; i < 300; i++) {
        await world.channels[i % 2]!.send(bytesOf(37 * (i % 30)))
        await world.pass(i % 50)
      }
    })
    expect(silent.length).toBeGreaterThan(300)
    expect(busy).toEqual(silent)
    expect(new Set(silent.map(([, , size]) => size))).toEqual(new Set([492]))
  })

  test('the frames of the next session are the same too, whether something was said before or not', async () => {
    const framesOfNext = async (isTalkative: boolean) => {
      const world = new TwoChannels({ cover: { mode: 'schedule', rate: 1, gaps: 'grid' } })
      for (const channel of world.channels) new Reader(channel)
      await world.connect()
      if (isTalkative) for (const channel of world.channels) await channel.send('a word')
      await world.pass(10_000)
      const [before, begin] = [world.frames.length, world.clock.now()]
      await world.connect()
      await world.pass(10_000)
      return world.frames.slice(before).map(({ from, at, size }) => [from, at - begin, size])
    }
    const silent = await framesOfNext(false)
    expect(silent.length).toBeGreaterThan(20)
    expect(await framesOfNext(true)).toEqual(silent)
  })

  test('messages arrive, are confirmed, and a close takes its ticks', async () => {
    const world = new TwoChannels({ cover })
    const reader = new Reader(world.channels[1])
    await world.connect()
    for (let i = 0; i < 20; i++) await world.channels[0].send(`${i}`)
    const flushed = world.channels[0].flush()
    await world.pass(20_000)
    await flushed
    expect(reader.texts).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
    const closed = world.channels[0].close()
    await world.pass(5_000)
    await closed
    expect((await world.channels[1].closed).code).toBe('CLOSED')
    expect(world.reasons.map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED'])
  })

  test('a tick that finds the transport full is skipped', async () => {
    const world = new TwoChannels({ cover: { mode: 'schedule', rate: 100, gaps: 'grid' } }, { capacity: 3 })
    const reader = new Reader(world.channels[1])
    await world.connect()
    await world.pass(100)
    world.circuit!.held = true
    const before = world.frames.length
    for (let i = 0; i < 5; i++) await world.channels[0].send(`${i}`)
    await world.pass(1000)
    expect(world.frames.length - before).toBeLessThanOrEqual(6)
    world.circuit!.held = false
    await world.pass(100)
    // What had piled up are the few that the transport took, and no burst.
    expect(world.frames.length - before).toBeLessThanOrEqual(6 + 2 * 11)
    expect(reader.texts).toEqual(['0', '1', '2', '3', '4'])
  })
})

test('noise: messages leave at once, and empty cells besides', async () => {
  const world = new TwoChannels({ cover: { mode: 'noise' } }, { latency: 1 })
  const reader = new Reader(world.channels[1])
  await world.connect()
  const before = world.frames.length
  await world.channels[0].send('now')
  await world.pass(5)
  expect(reader.texts).toEqual(['now'])
  await world.pass(600_000)
  // One message, its acknowledgement, and about ten empty cells from each end.
  expect(world.frames.length - before).toBeGreaterThan(2 + 2 * 6)
  expect(world.frames.length - before).toBeLessThan(2 + 2 * 21)
  expect(world.reasons).toEqual([])
})

test.each<Cover>([{ mode: 'schedule', rate: 1 / 60 }, { mode: 'noise' }])(
  'the timing of sessions with %o: an hour without PINGs, and no idle end',
  async (cover) => {
    const world = new TwoChannels({ cover })
    await world.connect()
    await world.pass(3_600_000)
    expect(world.reasons).toEqual([])
    expect(new Set(world.frames.slice(4).map(({ size }) => size))).toEqual(new Set([492]))
    expect(sessionTiming(cover).keepalive).toBe(0)
  },
)

const covers: readonly Cover[] = [
  { mode: 'off' },
  { mode: 'noise' },
  { mode: 'schedule', rate: 1 },
  { mode: 'schedule', rate: 1 / 60 },
]
test.each(covers.flatMap((one) => covers.map((other) => [one, other] as const)))(
  'a peer with %o and one with %o do not time each other out',
  async (cover, other) => {
    const world = new TwoChannels({ cover }, {}, { cover: other })
    const readers = world.channels.map((channel) => new Reader(channel))
    await world.connect()
    await world.pass(600_000)
    for (const channel of world.channels) await channel.send('still here')
    await world.pass(600_000)
    expect(world.reasons).toEqual([])
    for (const { texts } of readers) expect(texts).toEqual(['still here'])
  },
)
