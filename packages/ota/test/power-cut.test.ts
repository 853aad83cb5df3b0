import { fc, test as property } from '@fast-check/vitest'
import { equalBytes } from '@usmp/core'
import { Random } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { imageOf, VerifiedImage } from '../src/index.ts'
import type { Fate } from './support/link.ts'
import { hexOf, manifestFor, World } from './support/world.ts'

/** The device loses its power before a change of its storage: neither this one nor a later one happens, until it starts again. */
class Power {
  /** Changes until the cut. */
  left = Number.POSITIVE_INFINITY
  cuts = 0
  onChange = () => {
    if (this.left-- > 0) return
    this.left = -1
    throw new Error('the power is cut')
  }

  get isCut(): boolean {
    return this.left < 0
  }
}

interface Life {
  readonly image: Uint8Array
  readonly power?: Power
  readonly fate?: Fate
  /** ms of life after which something happens; each happens once. */
  readonly incidents?: readonly { readonly after: number; readonly kind: 'session lost' | 'killed' }[]
}

/** A device that a patient gateway updates, through whatever happens. Returns when it has confirmed the image. */
async function live({ image, power = new Power(), fate, incidents = [] }: Life): Promise<World> {
  const world = new World({ recordStep: 4096, confirmWithin: 20_000, slots: { onChange: power.onChange } })
  const manifest = manifestFor(image)
  const verified = await VerifiedImage.open(imageOf(image), manifest)
  const begin = world.clock.now()
  const waiting = [...incidents].sort((a, b) => a.after - b.after)
  const boot = async () => {
    // It may be cut at the start, too.
    for (let attempt = 0; ; attempt++) {
      try {
        await world.boot()
        break
      } catch (error) {
        if (attempt > 0 || !power.isCut) throw error
        power.cuts++
        power.left = Number.POSITIVE_INFINITY
      }
    }
    const running = world.slots.runningImage
    if (running.length > 0) expect(equalBytes(running, image)).toBe(true)
  }
  await boot()
  for (let session = 0; session < 60; session++) {
    const meeting = world.meet(fate ? { fate } : {})
    const restarts = world.restarts
    let over = false
    const gateway = async () => {
      let state = await meeting.gateway.request('ota.state', {})
      while (state.state === 'pending') {
        await new Promise<void>((resolve) => world.clock.setTimer(resolve, 500))
        state = await meeting.gateway.request('ota.state', {})
      }
      if (state.sha256 === hexOf(image) && state.state === 'confirmed') return
      if (state.staged !== hexOf(image)) await meeting.sender.send(meeting.gateway, { manifest, image: verified })
      await meeting.gateway.request('ota.apply', { sha256: hexOf(image) })
      await new Promise(() => {})
    }
    let done = false
    gateway().then(
      () => {
        done = true
      },
      () => {
        over = true
      },
    )
    // Until something happens, or the gateway gives up and makes a new session.
    await world.until(() => {
      const [next] = waiting
      if (next && world.clock.now() - begin >= next.after) return true
      return done || over || power.isCut || world.restarts > restarts
    })
    if (done) return world
    const incident = waiting[0] && world.clock.now() - begin >= waiting[0].after ? waiting.shift() : undefined
    const dies = power.isCut || incident?.kind === 'killed'
    if (dies) world.device.close()
    if (power.isCut) {
      power.cuts++
      power.left = Number.POSITIVE_INFINITY
    }
    meeting.link.cut()
    if (!dies && world.restarts === restarts) await world.pass(100)
    // It may restart between two sessions, too.
    if (dies || world.restarts > restarts) await boot()
  }
  throw new Error('it was not updated in 60 sessions')
}

describe('a power cut', () => {
  const image = new Random(8).bytes(5_000)

  test('before any change of the storage leaves the old image or the new one, and the update ends', async () => {
    let cut = 0
    for (;;) {
      const power = new Power()
      power.left = cut
      const world = await live({ image, power })
      expect(equalBytes(world.slots.runningImage, image)).toBe(true)
      expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 1, sha256: hexOf(image), staged: null })
      if (power.cuts === 0) break
      cut++
    }
    // Record, erase, 12 writes, a note of how far it is, staged, applied, active, the start, confirmed by boot loader and record.
    expect(cut).toBe(21)
  })
})

describe('whatever happens', () => {
  const share = fc.double({ min: 0, max: 0.3, noNaN: true })

  property.prop(
    {
      seed: fc.integer(),
      size: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 15_000 })),
      loss: share,
      duplication: share,
      reordering: share,
      incidents: fc.array(
        fc.record({
          after: fc.integer({ min: 0, max: 20_000 }),
          kind: fc.constantFrom('session lost' as const, 'killed' as const),
        }),
        { maxLength: 5 },
      ),
      cut: fc.option(fc.nat(90), { nil: Number.POSITIVE_INFINITY }),
    },
    { numRuns: 25 },
  )('an update ends with the right image', async ({ seed, size, loss, duplication, reordering, incidents, cut }) => {
    const random = new Random(seed)
    const image = random.bytes(size)
    // Requests and chunks may be lost, come twice, and overtake; JSON-RPC counts on its session.
    const fate: Fate = ([mark]) => {
      const [lost, twice, late] = [random.share() < loss, random.share() < duplication, random.share() < reordering]
      if (mark !== 0xfe) return [20]
      return lost ? [] : [late ? 70 : 20, ...(twice ? [50] : [])]
    }
    const power = new Power()
    power.left = cut
    const world = await live({ image, power, fate, incidents })
    expect(equalBytes(world.slots.runningImage, image)).toBe(true)
    expect(world.device.state).toMatchObject({ state: 'confirmed', counter: 1, sha256: hexOf(image) })
  })
})

describe('a storage that takes its time', () => {
  test('is asked for one thing at a time, also when sessions come and go', async () => {
    const image = new Random(9).bytes(20_000)
    const world = new World()
    let now = 0
    let most = 0
    const slow = new Proxy(world.slots, {
      get: (slots, name) => {
        const value = Reflect.get(slots, name, slots)
        if (typeof value !== 'function' || name === 'start') return value
        return async (...args: unknown[]) => {
          most = Math.max(most, ++now)
          await new Promise<void>((resolve) => world.clock.setTimer(resolve, 30))
          const result = await value.apply(slots, args)
          now--
          return result
        }
      },
    })
    const opened = world.boot({ port: slow, recordStep: 4096 })
    await world.settle(opened)
    for (let session = 0; session < 6; session++) {
      const meeting = world.meet()
      const outcome = world.send(meeting, image).catch(() => {})
      await world.pass(250 + 37 * session)
      meeting.link.cut()
      await outcome
    }
    await world.send(world.meet(), image)
    expect(world.device.state.staged).toBe(hexOf(image))
    expect(most).toBe(1)
    expect(world.faults).toEqual([])
  })
})
