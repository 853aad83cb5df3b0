import { SimulatedClock, turns } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { ByteRate } from '../src/index.ts'

/** When each of some calls went on, ms from the beginning. */
async function times(bytesPerSecond: number, calls: readonly number[]) {
  const clock = new SimulatedClock()
  const begin = clock.now()
  const rate = new ByteRate({ clock, bytesPerSecond })
  const told: number[] = []
  for (const [index, bytes] of calls.entries()) {
    void rate.take(bytes).then(() => {
      told[index] = Math.round(clock.now() - begin)
    })
  }
  for (let i = 0; i < 100; i++) {
    await turns(1)
    clock.advance(50)
  }
  return told
}

describe('a byte rate', () => {
  test('lets a tenth of a second leave at once, then the rate, in the order of the calls', async () => {
    expect(await times(1000, [100, 100, 100, 100, 100])).toEqual([0, 0, 100, 200, 300])
    expect(await times(1000, [500, 100])).toEqual([0, 400])
    expect(
      await times(
        1_000_000,
        Array.from({ length: 20 }, () => 440),
      ),
    ).toEqual(Array.from({ length: 20 }, () => 0))
  })

  test('a pause saves up no more than that', async () => {
    const clock = new SimulatedClock()
    const rate = new ByteRate({ clock, bytesPerSecond: 1000 })
    clock.advance(60_000)
    expect(await rate.take(150)).toBe(0)
    const waited = rate.take(100)
    await turns(1)
    clock.advance(50)
    expect(await waited).toBe(50)
  })

  test('a call that is called off leaves its timer to nobody', async () => {
    const clock = new SimulatedClock()
    const rate = new ByteRate({ clock, bytesPerSecond: 1000 })
    await rate.take(10_000)
    const stop = new AbortController()
    const waiting = rate.take(1, stop.signal)
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    expect(clock.pending).toBe(0)
    await expect(rate.take(1, stop.signal)).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
