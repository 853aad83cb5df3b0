import { SimulatedTime } from '@usmp/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { DeadlineTimer } from '../src/deadline-timer.ts'

/** Time in which everything is read when a test says so. */
class Time extends SimulatedTime {
  readonly reads: (() => void)[] = []

  defer(): void {}

  yieldToEventLoop(callback: () => void): void {
    this.reads.push(callback)
  }

  advance(ms: number): void {
    const until = this.now() + ms
    while (this.step(until));
  }
}

/** When the tests begin, ms of the clock. */
const START = new Time().now()

describe('a deadline timer', () => {
  let time: Time
  let fired: number[]
  let endsAt: number
  let timer: DeadlineTimer
  beforeEach(() => {
    time = new Time()
    fired = []
    endsAt = Number.POSITIVE_INFINITY
    const owner = {
      get endsAt() {
        return endsAt
      },
      onDeadline: () => void fired.push(time.now() - START),
    }
    timer = new DeadlineTimer(time, owner)
  })

  test('fires once at its deadline', () => {
    timer.arm(START + 100)
    time.advance(99)
    expect(fired).toEqual([])
    time.advance(1)
    expect(fired).toEqual([100])
    time.advance(1000)
    expect(fired).toEqual([100])
  })

  test('an earlier deadline moves it; a later one does not, so that it fires early and never late', () => {
    timer.arm(START + 100)
    timer.arm(START + 50)
    timer.arm(START + 300)
    time.advance(1000)
    expect(fired).toEqual([50])
  })

  test('no deadline, or disarming it, stops it', () => {
    timer.arm(START + 100)
    timer.arm(Number.POSITIVE_INFINITY)
    time.advance(1000)
    timer.arm(START + 2000)
    timer.disarm()
    time.advance(5000)
    expect(fired).toEqual([])
  })

  test('before something ends it lets the transports read', () => {
    endsAt = START + 100
    timer.arm(START + 100)
    time.advance(100)
    expect(fired).toEqual([])
    // What is read meanwhile moves the deadline, and sets no second timer.
    timer.arm(START + 120)
    time.reads.shift()!()
    expect(fired).toEqual([100])
    timer.arm(START + 200)
    time.advance(100)
    time.reads.shift()!()
    expect(fired).toEqual([100, 200])
  })

  test('disarmed while the transports read, it does not fire', () => {
    endsAt = START + 100
    timer.arm(START + 100)
    time.advance(100)
    timer.disarm()
    time.reads.shift()!()
    expect(fired).toEqual([])
  })
})
