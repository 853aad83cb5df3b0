import { describe, expect, test } from 'vitest'
import { RateLimit } from '../src/token-bucket.ts'

describe('rate limit', () => {
  test('a burst, then so many a second; each address for itself, all together too', () => {
    const limit = new RateLimit({ burst: 3, perSecond: 2 }, { burst: 5, perSecond: 100 }, 0)
    const taken = (address: string, now: number) => {
      let count = 0
      while (limit.take(address, now)) count++
      return count
    }
    expect(taken('a', 0)).toBe(3)
    expect(taken('b', 0)).toBe(2)
    expect(taken('a', 1_000)).toBe(2)
    expect(taken('b', 1_500)).toBe(3)
    expect(taken('a', 100_000)).toBe(3)
  })
})
