import { pattern } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { hexOf, World } from './support/world.ts'

describe('a transfer', () => {
  test.each([1, 440, 441, 4096, 100_000])(
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
      expect(world.slots.runningImage).toEqual(image)
      expect(world.device.state).toMatchObject({ state: 'pending', sha256: hexOf(image), counter: 0, rollback: true })
      const second = world.meet()
      await world.until(() => second.events.length > 0)
      expect(second.events).toEqual([{ type: 'confirmed', sha256: hexOf(image) }])
      expect(world.device.state).toMatchObject({ state: 'confirmed', sha256: hexOf(image), counter: 1, staged: null })
      expect(world.faults).toEqual([])
    },
  )
})
