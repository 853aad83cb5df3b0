import { SimulatedClock, turns } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { RetrySchedule } from '../src/retry-schedule.ts'

const UP = { up: true, boot: '00000001' }
const RESTARTED = { up: true, boot: '00000002' }
const DOWN = { up: false, boot: undefined }

function start() {
  const clock = new SimulatedClock()
  let doubts = 0
  const schedule = new RetrySchedule({ clock, random: () => 0.5, onDoubt: () => doubts++ })
  schedule.attempt()
  return {
    clock,
    schedule,
    doubts: () => doubts,
    /** Waits a pause out in the background, and says after how many ms it was over. */
    wait(pause: number, signal?: AbortSignal) {
      const from = clock.now()
      const result: { took: number | undefined } = { took: undefined }
      void schedule.wait(pause, signal).then(() => {
        result.took = clock.now() - from
      })
      return result
    },
    /** Lets time pass in steps, so that it shows when something happened. */
    async pass(ms: number) {
      for (let step = 0; step < ms; step += 100) {
        clock.advance(100)
        await turns(1)
      }
    },
  }
}

describe('the pauses of a device', () => {
  test('are those that it was given, if nothing is heard', async () => {
    const { wait, pass, clock } = start()
    const pause = wait(20_000)
    await pass(20_000)
    expect([pause.took, clock.pending]).toEqual([20_000, 0])
  })

  test('end at once by "try now", but no sooner than a second after the last attempt', async () => {
    const { wait, pass, schedule } = start()
    const early = wait(20_000)
    await pass(300)
    schedule.hint()
    await pass(2_000)
    expect(early.took).toBe(1_000)
    schedule.attempt()
    await pass(5_000)
    const late = wait(20_000)
    await pass(200)
    schedule.hint()
    await pass(100)
    expect(late.took).toBe(300)
  })

  test('a flood of hints brings one attempt a second', async () => {
    const { wait, pass, schedule } = start()
    let attempts = 0
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 50; n++) schedule.hint()
      const pause = wait(30_000)
      for (let n = 0; n < 10; n++) {
        schedule.hint()
        await pass(100)
      }
      expect(pause.took).toBe(1_000)
      schedule.attempt()
      attempts++
    }
    expect(attempts).toBe(10)
  })

  test('"try now" during an attempt counts after it, during a session it does not', async () => {
    const { wait, pass, schedule } = start()
    await pass(3_000)
    schedule.hint()
    const first = wait(20_000)
    await pass(100)
    expect(first.took).toBeLessThanOrEqual(100)
    schedule.attempt()
    schedule.established()
    schedule.hint()
    const second = wait(20_000)
    await pass(20_000)
    expect(second.took).toBe(20_000)
  })

  test('last a minute after the last attempt while all gateways are down, and end with the first that is up, spread over 2 s', async () => {
    const { wait, pass, schedule } = start()
    schedule.presence('one', UP)
    schedule.presence('two', DOWN)
    schedule.presence('one', DOWN)
    const long = wait(500)
    await pass(60_000)
    expect(long.took).toBe(60_000)
    schedule.attempt()
    const short = wait(500)
    await pass(10_000)
    schedule.presence('two', RESTARTED)
    await pass(2_000)
    expect(short.took).toBe(11_000)
  })

  test('end when the broker can be reached again', async () => {
    const { wait, pass, schedule } = start()
    await pass(5_000)
    const pause = wait(30_000)
    await pass(1_000)
    schedule.brokerIsBack()
    await pass(2_000)
    expect(pause.took).toBe(2_000)
  })

  test('after a restart of the gateway that ended the session they are spread over 2 s', async () => {
    const { wait, pass, schedule } = start()
    schedule.established()
    await pass(60_000)
    schedule.lostToRestart()
    const pause = wait(30_000)
    await pass(2_000)
    expect(pause.took).toBe(1_000)
  })

  test('end when the application stops', async () => {
    const { wait, pass, clock } = start()
    const stop = new AbortController()
    const pause = wait(30_000, stop.signal)
    await pass(100)
    stop.abort()
    await turns(1)
    expect([pause.took, clock.pending]).toEqual([100, 0])
    expect(await isOver(start().schedule.wait(30_000, stop.signal))).toBe(true)
  })
})

describe('presence during a session', () => {
  test('a new boot puts it in doubt, at most once a second; anything else does not', async () => {
    const { schedule, pass, doubts } = start()
    schedule.presence('one', UP)
    schedule.established()
    schedule.presence('one', UP)
    schedule.presence('one', DOWN)
    schedule.presence('one', UP)
    schedule.presence('two', RESTARTED)
    expect(doubts()).toBe(0)
    schedule.presence('one', RESTARTED)
    for (let n = 0; n < 100; n++) schedule.presence('one', n % 2 ? UP : RESTARTED)
    expect(doubts()).toBe(1)
    await pass(1_000)
    schedule.presence('one', RESTARTED)
    expect(doubts()).toBe(2)
  })

  test('made-up gateways are forgotten, the one that was heard of first first', () => {
    const { schedule, doubts } = start()
    schedule.presence('one', UP)
    schedule.established()
    for (let n = 0; n < 1_000; n++) schedule.presence(`made-up-${n}`, UP)
    schedule.presence('one', RESTARTED)
    expect(doubts()).toBe(0)
  })
})

async function isOver(wait: Promise<void>): Promise<boolean> {
  await wait
  return true
}
