import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { Reorder } from '../src/reorder.ts'

describe('reorder', () => {
  test.prop([fc.nat({ max: 62 }).chain((n) => fc.shuffledSubarray([...Array(n + 1).keys()], { minLength: n + 1 }))])(
    'gives out everything in order, as soon as it can',
    (arrivals) => {
      const order = new Reorder<number>()
      const out: number[] = []
      const seen = new Set<number>()
      for (const seq of arrivals) {
        seen.add(seq)
        out.push(...order.push(seq, seq, 0))
        let ready = 0
        while (seen.has(ready)) ready++
        expect(out).toEqual([...Array(ready).keys()])
      }
    },
  )

  test('waits 45 s for what is missing, then goes on without', () => {
    const order = new Reorder<string>()
    expect(order.push(0, 'a', 0)).toEqual(['a'])
    expect(order.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(order.push(2, 'c', 1_000)).toEqual([])
    expect(order.push(4, 'e', 9_000)).toEqual([])
    expect(order.deadline).toBe(46_000)
    expect(order.expire(45_999)).toEqual([])
    expect(order.expire(46_000)).toEqual(['c'])
    // What waits for the next gap waits for itself.
    expect(order.deadline).toBe(91_000)
    expect(order.push(3, 'd', 47_000)).toEqual(['d', 'e'])
    expect(order.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('does not wait for a number that the replay window has left behind', () => {
    const order = new Reorder<number>()
    for (let seq = 1; seq <= 63; seq++) expect(order.push(seq, seq, 0)).toEqual([])
    expect(order.push(64, 64, 0)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1))
  })

  test('a jump over many numbers costs nothing', () => {
    const order = new Reorder<number>()
    expect(order.push(0xfffffffe, 1, 0)).toEqual([])
    expect(order.push(0xfffffffe - 63, 0, 0)).toEqual([0])
  })

  test('what comes after it was given up is dropped, and does not turn up in the next count', () => {
    const order = new Reorder<string>()
    expect(order.push(1, 'b', 0)).toEqual([])
    expect(order.flush(3)).toEqual(['b'])
    expect(order.push(0, 'a', 0)).toEqual([])
    expect(order.push(2, 'c', 0)).toEqual([])
    expect(order.flush(0)).toEqual([])
    expect(order.push(0, 'A', 0)).toEqual(['A'])
  })

  test('begins again after a flush', () => {
    const order = new Reorder<string>()
    order.push(5, 'f', 0)
    order.push(3, 'd', 0)
    expect(order.flush(0)).toEqual(['d', 'f'])
    expect(order.push(1, 'B', 0)).toEqual([])
    expect(order.push(0, 'A', 0)).toEqual(['A', 'B'])
  })
})
