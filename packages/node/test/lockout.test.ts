import { describe, expect, test } from 'vitest'
import { Lockout } from '../src/lockout.ts'

describe('lockout', () => {
  const fail = (lockout: Lockout, times: number, now = 0, device = 'a') => {
    for (let i = 0; i < times; i++) lockout.failed('host', device, now)
  }

  test('four failures are free, then 1, 2, 4 … 60 s', () => {
    const lockout = new Lockout()
    const waits: number[] = []
    for (let n = 1; n <= 12; n++) {
      lockout.failed('host', 'a', 0)
      waits.push(lockout.remaining('host', 'a', 0) / 1000)
    }
    expect(waits).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60])
  })

  test('it ends by itself, to the millisecond', () => {
    const lockout = new Lockout()
    fail(lockout, 5, 500)
    expect(lockout.remaining('host', 'a', 1_499)).toBe(1)
    expect(lockout.remaining('host', 'a', 1_500)).toBe(0)
  })

  test('the pair of address and device counts, not one of them alone', () => {
    const lockout = new Lockout()
    fail(lockout, 9)
    expect(lockout.remaining('host', 'b', 0)).toBe(0)
    expect(lockout.remaining('other', 'a', 0)).toBe(0)
  })

  test('a device whose key has become known is forgotten at every address, and no other one is', () => {
    const lockout = new Lockout()
    fail(lockout, 6)
    for (let i = 0; i < 6; i++) lockout.failed('other', 'a', 0)
    lockout.forget('a')
    expect(lockout.remaining('host', 'a', 0)).toBe(0)
    expect(lockout.remaining('other', 'a', 0)).toBe(0)
    fail(lockout, 6, 0, 'b')
    lockout.forget('a')
    expect(lockout.remaining('host', 'b', 0)).toBeGreaterThan(0)
  })

  test('a success forgets, and so do ten minutes', () => {
    const lockout = new Lockout()
    fail(lockout, 6)
    lockout.succeeded('host', 'a')
    expect(lockout.remaining('host', 'a', 0)).toBe(0)
    fail(lockout, 10)
    lockout.failed('host', 'a', 600_000)
    expect(lockout.remaining('host', 'a', 600_000)).toBe(0)
  })

  test('4096 pairs at most; the one that failed longest ago gives way', () => {
    const lockout = new Lockout()
    fail(lockout, 5, 0, 'first')
    fail(lockout, 5, 0, 'second')
    lockout.failed('host', 'first', 0)
    for (let i = 0; i < 4_095; i++) lockout.failed('host', `crowd ${i}`, 0)
    expect(lockout.remaining('host', 'second', 0)).toBe(0)
    expect(lockout.remaining('host', 'first', 0)).toBe(2_000)
  })
})
