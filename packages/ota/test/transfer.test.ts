import { equalBytes } from '@usmp/core'
import { pattern, Random } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { ByteRate, OtaCode } from '../src/index.ts'
import { hexOf, type Meeting, manifestFor, World } from './support/world.ts'

const SIZE = 100_000
const image = new Random(1).bytes(SIZE)

/** How far the image has left the gateway, bytes. */
const sentBytes = ({ link }: Meeting) =>
  link.gateway.sent.filter(([mark]) => mark === 0xfe).reduce((sum, { length }) => sum + length - 6, 0)

/** Begins to send, and stops when so many bytes have left. */
async function sendUntil(world: World, meeting: Meeting, bytes: number, stop: () => void) {
  const outcome = world.send(meeting, image).catch((error: unknown) => error)
  await world.until(() => sentBytes(meeting) >= bytes)
  stop()
  return outcome
}

describe('a transfer', () => {
  test.each([1, 440, 441, 4096, SIZE])(
    'of %i bytes ends with the image staged, applied and confirmed',
    async (size) => {
      const world = new World()
      const image = pattern(size)
      await world.boot()
      const first = world.meet()
      expect(await world.send(first, image)).toEqual({ have: 0, sent: size })
      expect(world.device.state).toMatchObject({ staged: hexOf(image), state: 'confirmed', counter: 0 })
      expect(await world.settle(first.gateway.request('ota.apply', { sha256: hexOf(image) }))).toEqual({})
      await world.until(() => world.restarts === 1)
      first.link.cut()
      await world.boot({ version: '1.1.0' })
      expect(equalBytes(world.slots.runningImage, image)).toBe(true)
      expect(world.device.state).toMatchObject({ state: 'pending', sha256: hexOf(image), counter: 0, rollback: true })
      const second = world.meet()
      await world.until(() => second.events.length > 0)
      expect(second.events).toEqual([{ type: 'confirmed', sha256: hexOf(image) }])
      expect(world.device.state).toMatchObject({ state: 'confirmed', sha256: hexOf(image), counter: 1, staged: null })
      expect(world.faults).toEqual([])
    },
  )

  test.each([0.01, 0.6, 0.999])('goes on where it was when the session is lost at %d of the image', async (share) => {
    const world = new World()
    await world.boot()
    const first = world.meet()
    const lost = await sendUntil(world, first, share * SIZE, () => first.link.cut())
    expect(lost).toMatchObject({ code: 'TRUNCATED' })
    const { have, sent } = await world.send(world.meet(), image)
    // What is in flash, in steps of 4096; at most what was under way comes again.
    expect(have % 4096).toBe(0)
    expect(have).toBeGreaterThan(share * SIZE - 4096 - 9 * 440)
    expect(sent).toBe(SIZE - have)
    expect(world.device.state.staged).toBe(hexOf(image))
  })

  test.each([0.01, 0.6, 0.999])(
    'goes on at the last note when the device is killed at %d of the image',
    async (share) => {
      const world = new World({ recordStep: 8192 })
      await world.boot()
      const first = world.meet()
      await sendUntil(world, first, share * SIZE, () => {
        // The power is cut: nothing that the device would do at the end of a session is done.
        world.device.close()
        first.link.cut()
      })
      const noted = JSON.parse(new TextDecoder().decode(await world.slots.load())).image.offset
      await world.boot()
      const { have } = await world.send(world.meet(), image)
      expect(have).toBe(noted)
      expect(have % 4096).toBe(0)
      expect(have).toBeGreaterThan(share * SIZE - 8192 - 9 * 440)
      expect(world.device.state.staged).toBe(hexOf(image))
    },
  )

  test('of an image that is staged already sends nothing', async () => {
    const world = new World()
    await world.boot()
    await world.send(world.meet(), image)
    await world.boot()
    const meeting = world.meet()
    expect(await world.send(meeting, image)).toEqual({ have: SIZE, sent: 0 })
    expect(meeting.events).toEqual([{ type: 'staged', sha256: hexOf(image) }])
  })

  test('an offer that comes again in the same session changes nothing', async () => {
    const world = new World()
    await world.boot()
    const meeting = world.meet()
    const manifest = Buffer.from(manifestFor(image).bytes).toString('base64url')
    const outcome = world.send(meeting, image)
    await world.until(() => sentBytes(meeting) > SIZE / 2)
    const { have } = await world.settle(meeting.gateway.request('ota.offer', { manifest }))
    expect(have).toBeGreaterThan(SIZE / 4)
    expect(await outcome).toEqual({ have: 0, sent: SIZE })
  })

  test('is called off by a signal: the device stops, and keeps what it has', async () => {
    const world = new World()
    await world.boot()
    const meeting = world.meet()
    const stop = new AbortController()
    const outcome = world.send(meeting, image, undefined, stop.signal).catch((error: unknown) => error)
    await world.until(() => sentBytes(meeting) > SIZE / 2)
    stop.abort(new Error('enough'))
    expect(await outcome).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    await world.pass(1000)
    const before = sentBytes(meeting)
    await world.pass(120_000)
    expect(sentBytes(meeting)).toBe(before)
    expect(meeting.sender.busy).toBe(false)
    const { have } = await world.send(meeting, image)
    expect(have).toBeGreaterThan(SIZE / 2 - 4096 - 9 * 440)
    expect(world.device.state.staged).toBe(hexOf(image))
  })

  test('of another image waits until the first is given up, and begins at 0', async () => {
    const world = new World()
    await world.boot()
    const meeting = world.meet()
    const other = pattern(50_000, 9)
    const stop = new AbortController()
    const outcome = world.send(meeting, image, undefined, stop.signal).catch((error: unknown) => error)
    await world.until(() => sentBytes(meeting) > SIZE / 2)
    await expect(world.send(meeting, other)).rejects.toMatchObject({ code: 'UNDER_WAY' })
    const manifest = Buffer.from(manifestFor(other).bytes).toString('base64url')
    await expect(world.settle(meeting.gateway.request('ota.offer', { manifest }))).rejects.toMatchObject({
      code: OtaCode.BUSY,
    })
    stop.abort()
    await outcome
    expect(await world.send(meeting, other)).toEqual({ have: 0, sent: 50_000 })
    expect(world.device.state.staged).toBe(hexOf(other))
  })

  test('keeps the rate that transfers share, and a slow rate is no stall', async () => {
    const world = new World()
    await world.boot()
    const rate = new ByteRate({ clock: world.clock, bytesPerSecond: 500 })
    const meeting = world.meet({}, { rate, stallTimeout: 1500 })
    const begin = world.clock.now()
    await world.send(meeting, image.subarray(0, 20_000), manifestFor(image.subarray(0, 20_000)))
    // 20000 bytes at 500 a second, less what may leave at once.
    expect(world.clock.now() - begin).toBeGreaterThan(39_000)
    expect(world.clock.now() - begin).toBeLessThan(60_000)
  })

  test('tells how far it is, once a second at most', async () => {
    const world = new World()
    await world.boot()
    const meeting = world.meet({ latency: 200 })
    const begin = world.clock.now()
    await world.send(meeting, image)
    const seconds = (world.clock.now() - begin) / 1000
    const offsets = meeting.events.flatMap((event) => (event.type === 'progress' ? [event.offset] : []))
    expect(offsets.length).toBeGreaterThan(seconds / 2 - 2)
    expect(offsets.length).toBeLessThan(seconds + 2)
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  })

  test('does not hold up what else the ends say: notifications overtake chunks that are owed', async () => {
    const world = new World({ window: 64 })
    await world.boot()
    // One message in 100 ms: 64 chunks that are owed would take 6.4 s.
    const meeting = world.meet({ latency: 100, capacity: 1 })
    const outcome = world.send(meeting, image)
    await world.until(() => sentBytes(meeting) > 20_000)
    const asked = world.clock.now()
    await meeting.gateway.notify('note', { n: 1 })
    const answered = world.settle(meeting.gateway.request('echo', { n: 5 }))
    meeting.device.tryNotify('telemetry', { n: 1 })
    expect(await answered).toBe(5)
    // Behind the chunk that is under way and the one that waits; and back.
    expect(world.clock.now() - asked).toBeLessThanOrEqual(600)
    expect(meeting.link.gateway.waiting).toBeLessThanOrEqual(1)
    expect(meeting.notes).toHaveLength(1)
    await outcome
    expect(meeting.telemetry).toHaveLength(1)
    expect(meeting.telemetry[0]!.at - asked).toBeLessThanOrEqual(300)
  })

  test('at most one chunk waits in the session, however many are owed', async () => {
    const world = new World({ window: 64 })
    await world.boot()
    const meeting = world.meet({ latency: 50, capacity: 2 })
    const outcome = world.send(meeting, image)
    let most = 0
    while (sentBytes(meeting) < SIZE) {
      await world.pass(50)
      most = Math.max(most, meeting.link.gateway.waiting)
    }
    await outcome
    expect(most).toBe(1)
  })
})
