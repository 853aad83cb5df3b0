import { expect, test } from 'vitest'
import { HandshakeBudget } from '../src/handshake-budget.ts'
import { RecentIds } from '../src/recent-ids.ts'

const id = (n: number) => n.toString(16).padStart(12, '0')

test('ids without a key share 50 handshakes at once and 20 a second; each id with a key has its own', () => {
  let now = 0
  const budget = new HandshakeBudget(() => now)
  const taken = (known: boolean, ids: number) =>
    Array.from({ length: ids }, (_, n) => budget.take(id(n), known)).filter(Boolean).length
  expect(taken(false, 2_000)).toBe(50)
  expect(taken(true, 1_000)).toBe(1_000)
  now += 1_000
  expect(taken(false, 2_000)).toBe(20)
  const ofOne = Array.from({ length: 100 }, () => budget.take(id(1), true)).filter(Boolean).length
  expect(ofOne).toBe(10)
})

test('the last 128 ids are remembered for ten minutes, each once', () => {
  const recent = new RecentIds()
  for (let n = 0; n < 1_000; n++) recent.add(id(n), n)
  recent.add(id(900), 2_000)
  expect(recent.recent(2_000)).toHaveLength(128)
  expect(recent.recent(2_000).at(-1)).toBe(id(900))
  expect(recent.recent(600_999)).toEqual([id(900)])
  expect(recent.recent(700_000)).toEqual([])
})
