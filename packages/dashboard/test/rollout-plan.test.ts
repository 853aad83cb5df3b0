import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import {
  devicesOf,
  isAtPause,
  match,
  readNumber,
  readTime,
  readWaves,
  type Step,
  stepState,
  stepsOf,
  timeText,
} from '../src/state/rollout-plan.js'
import { kindOf, percentOf, stateWords, targetsOf, totalsOf } from '../src/state/rollout-progress.js'
import { device, idOf, image, rollout, rolloutDevice } from './fake-updates.ts'

const waves = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 7 })
  .map((shares) => [...shares.sort((a, b) => a - b), 100])
const settings = fc.record({
  canary: fc.integer({ min: 0, max: 10 }),
  pauseAfterCanary: fc.boolean(),
  soak: fc.nat(),
  waves,
  maxParallel: fc.integer({ min: 1, max: 64 }),
  window: fc.constant(null),
})

test.prop([settings, fc.integer({ min: 0, max: 5_000 })])(
  'the steps of a plan come to all devices, once',
  (chosen, targets) => {
    const counts = stepsOf(chosen)
      .filter(({ kind }) => kind !== 'pause')
      .map((step) => devicesOf(step, chosen, targets))
    expect(counts.every((count) => count >= 0)).toBe(true)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(targets)
  },
)

const running = fc.constantFrom('canary' as const, 'wave' as const, 'soaking' as const, 'paused' as const)

test.prop([settings, running, fc.nat({ max: 8 }), fc.boolean()])(
  'of the steps one is now; those before it are over, those after it are to come',
  (chosen, state, at, held) => {
    const first = chosen.canary > 0 ? 0 : 1
    const stage = Math.min(Math.max(at, first), chosen.waves.length)
    const devices = [rolloutDevice(1, held ? 'targeted' : 'done', { stage })]
    const here = { state, stage, settings: chosen }
    const isHeld = isAtPause(here, devices)
    const states = stepsOf(chosen).map((step: Step) => stepState(step, here, isHeld))
    const now = states.indexOf('now')
    expect(states.filter((one) => one === 'now')).toHaveLength(1)
    expect(states.slice(0, now).every((one) => one === 'over')).toBe(true)
    expect(states.slice(now + 1).every((one) => one === 'to-come')).toBe(true)
  },
)

test('the pause after the canary is a step of its own, until the first wave has touched a device', () => {
  const held = rollout({ state: 'paused', stage: 1 })
  const canary = rolloutDevice(1, 'done', { stage: 0 })
  const words = (value: typeof held, devices: (typeof canary)[]) =>
    stepsOf(value.settings).map((step) => stepState(step, value, isAtPause(value, devices)))
  expect(words(held, [canary])).toEqual(['over', 'now', 'to-come', 'to-come', 'to-come'])
  expect(words(held, [canary, rolloutDevice(2, 'transferring')])).toEqual(['over', 'over', 'now', 'to-come', 'to-come'])
  expect(words({ ...held, state: 'done', stage: 3 }, [canary])).toEqual(['over', 'over', 'over', 'over', 'over'])
})

test.prop([waves])('shares of waves are read as they are written', (shares) => {
  expect(readWaves(shares.join(', '))).toEqual(shares)
  expect(readWaves(shares.map((share) => `${share}%`).join(' '))).toEqual(shares)
  expect(readWaves(shares.slice(0, -1).join(','))).toBeNull()
})

test.prop([fc.string()])('no text that people type makes a plan that the gateway would refuse', (text) => {
  const shares = readWaves(text)
  if (shares) {
    expect(shares.length).toBeLessThanOrEqual(8)
    expect(shares.at(-1)).toBe(100)
    for (const [n, share] of shares.entries()) expect(share > (shares[n - 1] ?? 0)).toBe(true)
  }
  const number = readNumber(text, 0, 10)
  if (number !== null) expect(Number.isInteger(number) && number >= 0 && number <= 10).toBe(true)
})

test('shares that do not grow, do not end, or are none', () => {
  for (const text of ['', '5, 5, 100', '25, 5, 100', '5, 25', '0, 100', '5, 101', 'all', '1 2 3 4 5 6 7 8 100'])
    expect(readWaves(text), text).toBeNull()
})

test.prop([fc.integer({ min: 0, max: 24 * 60 - 1 })])('times of the day are read as they are written', (minutes) => {
  expect(readTime(timeText(minutes))).toBe(minutes)
})

test('a time of the day has two digits each, and there is no hour 24', () => {
  for (const text of ['', '1:00', '24:00', '12:60', '12:5', '-1:00']) expect(readTime(text), text).toBeNull()
})

test('the image fits devices of its product and chip; others, and those that cannot, are told apart', () => {
  const devices = [
    device(1),
    device(2, { chip: 'esp32s3' }),
    device(3, { product: 'barn' }),
    device(4, null),
    device(5, { sha256: image().sha256 }),
    { ...device(6), updates: undefined },
    { ...device(7), state: 'revoked' as const },
    { ...device(8), state: 'waiting' as const },
  ]
  const ids = (target: Parameters<typeof match>[2]) => {
    const { fits, current, others, silent } = match(devices as ReturnType<typeof device>[], image(), target)
    return [fits, current, others, silent].map((list) => list.map(({ id }) => id))
  }
  expect(ids({ kind: 'all' })).toEqual([[idOf(1)], [idOf(5)], [idOf(2), idOf(3), idOf(4)], [idOf(6)]])
  expect(ids({ kind: 'group', group: 'South' })).toEqual([[], [], [idOf(2), idOf(4)], [idOf(6)]])
  expect(ids({ kind: 'devices', ids: [idOf(1), idOf(7)] })).toEqual([[idOf(1)], [], [], []])
})

const STATES = [
  'targeted',
  'offline',
  'offered',
  'transferring',
  'staged',
  'rebooting',
  'verifying',
  'done',
  'failed',
  'rolled-back',
  'skipped',
] as const

test.prop([fc.dictionary(fc.constantFrom(...STATES), fc.nat({ max: 1_000 }))])(
  'no device is lost in adding up',
  (counts) => {
    const totals = totalsOf(counts as Parameters<typeof totalsOf>[0])
    const sum = Object.values(counts).reduce((total, count) => total + count, 0)
    expect(Object.values(totals).reduce((total, count) => total + count, 0)).toBe(sum)
    expect(targetsOf(totals)).toBe(sum - (counts.skipped ?? 0))
  },
)

test.prop([fc.constantFrom(...STATES), fc.option(fc.nat()), fc.integer({ min: 1 })])(
  'a percentage is from 0 to 100, and only of a transfer',
  (state, offset, size) => {
    const percent = percentOf(rolloutDevice(1, state, { offset }), { size })
    if (state !== 'transferring' || offset === null) {
      expect(percent).toBeNull()
      return
    }
    expect(percent).toBeGreaterThanOrEqual(0)
    expect(percent).toBeLessThanOrEqual(100)
    if (offset < size) expect(percent).toBeLessThan(100)
    expect(kindOf(state)).toBe('busy')
  },
)

test('a roll-out that ended without an updated device is not called done', () => {
  const words = (counts: object) => stateWords({ ...rollout(), state: 'done', counts } as never).word
  expect(words({ done: 1, failed: 3 })).toBe('Done')
  expect(words({ skipped: 2 })).toBe('Done')
  expect(words({ failed: 1, offline: 1 })).toBe('Over, none updated')
  expect(words({ done: 0, 'rolled-back': 1 })).toBe('Over, none updated')
})
