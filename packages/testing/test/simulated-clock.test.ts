import { expect, test } from 'vitest'
import { SimulatedClock } from '../src/simulated-clock.ts'

test('timers fire in the order of their times, those of one moment in the order in which they were set', () => {
  const clock = new SimulatedClock()
  const start = clock.now()
  const fired: string[] = []
  const set = (name: string, delay: number) => clock.setTimer(() => fired.push(`${name} ${clock.now() - start}`), delay)
  set('late', 30)
  set('early', 10)
  set('second', 30)
  clock.clearTimer(set('never', 20))
  expect(clock.delays).toEqual([10, 30, 30])
  clock.advance(29)
  expect(fired).toEqual(['early 10'])
  clock.advance(1)
  expect(fired).toEqual(['early 10', 'late 30', 'second 30'])
  expect([clock.pending, clock.now() - start]).toEqual([0, 30])
})

test('a timer that a timer sets fires in the same advance if it is due by then', () => {
  const clock = new SimulatedClock()
  let fired = 0
  clock.setTimer(() => clock.setTimer(() => fired++, 5), 5)
  clock.advance(10)
  expect(fired).toBe(1)
})
