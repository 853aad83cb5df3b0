import { OtaCode } from '@usmp/ota'
import * as v from 'valibot'
import { describe, expect, it, test } from 'vitest'
import { RETURN_TIMEOUT, TRANSFER_TIMEOUT, toRecord } from '../../src/rollouts/device-row.js'
import { shifted } from '../../src/rollouts/plan.js'
import { rolloutDeviceRecord, rolloutRecord } from '../../src/rollouts/records.js'
import { IMAGE, Model, newState, oldState } from './model.js'

const MINUTE = 60_000

function fleetOf(count: number, ...special: ConstructorParameters<typeof Model>): Model {
  const model = new Model(...special)
  for (let n = 0; n < count; n++) model.add(`d${n}`, 'good')
  return model
}

describe('stages', () => {
  it('begin with the canary, soak, and go through the waves until all devices have the image', () => {
    const model = fleetOf(10, { canary: 2, waves: [50, 100] })
    const seen: string[] = []
    model.pass(20 * MINUTE, 500, () => {
      const text = `${model.rollout.state} ${model.rollout.stage}`
      if (seen.at(-1) !== text) seen.push(text)
    })
    expect(seen).toEqual(['canary 0', 'soaking 0', 'wave 1', 'soaking 1', 'wave 2', 'soaking 2', 'done 2'])
    const rows = [...model.rows.values()]
    expect(rows.every(({ state }) => state === 'done')).toBe(true)
    expect([0, 1, 2].map((stage) => rows.filter((row) => row.stage === stage).length)).toEqual([2, 3, 5])
  })

  it('wait for a person after the canary where that is wanted', () => {
    const model = fleetOf(5, { pauseAfterCanary: true })
    model.pass(10 * MINUTE)
    expect(model.rollout).toMatchObject({ state: 'paused', heldIn: 'wave', stage: 1 })
    expect(Object.values(model.states())).toEqual(['done'])
    model.resume()
    model.pass(10 * MINUTE)
    expect(model.rollout.state).toBe('done')
    expect(model.rows.size).toBe(5)
  })

  it('take late devices: in the last wave, and when the roll-out is done', () => {
    const model = fleetOf(4)
    model.pass(10 * MINUTE)
    expect(model.rollout.state).toBe('done')
    model.add('late', 'good')
    model.add('away', 'good', false)
    model.pass(MINUTE)
    expect(model.states()).toMatchObject({ late: 'done', away: 'targeted' })
    model.setOnline('away', true)
    model.pass(MINUTE)
    expect(model.states().away).toBe('done')
    expect(model.rollout.state).toBe('done')
  })

  it('do not begin while no device of the one before has shown anything', () => {
    const model = new Model({ canary: 0, waves: [50, 100] })
    for (let n = 0; n < 4; n++) model.add(`d${n}`, 'good', false)
    model.pass(30 * MINUTE)
    expect(model.rollout).toMatchObject({ state: 'wave', stage: 1 })
    const [first] = model.rows.keys()
    model.setOnline(first!, true)
    model.pass(5 * MINUTE)
    expect(model.rollout).toMatchObject({ state: 'done', stage: 2 })
  })

  it('leave a device out that is another product, and one that takes no updates', () => {
    const model = fleetOf(3)
    model.add('pump', 'foreign')
    model.add('plain', 'good')
    model.devices.get('plain')!.report = null
    model.pass(10 * MINUTE)
    expect(Object.keys(model.states()).sort()).toEqual(['d0', 'd1', 'd2'])
    expect(model.rollout.state).toBe('done')
  })

  it('count a device as done that has the image already', () => {
    const model = fleetOf(3)
    for (const device of model.devices.values()) device.report = newState()
    model.pass(MINUTE)
    expect(model.actions).toEqual([])
    expect(model.rollout.state).toBe('done')
  })
})

describe('a soak', () => {
  it('holds the roll-out up when a canary is offline at its end', () => {
    const model = fleetOf(5, { soak: MINUTE })
    model.pass(20_000)
    expect(model.rollout.state).toBe('soaking')
    const [canary] = model.rows.keys()
    model.setOnline(canary!, false)
    model.pass(2 * MINUTE)
    expect(model.rollout).toMatchObject({ state: 'paused', heldByRule: true })
    expect(model.rollout.reason).toBe(`not well after the update in the canary: ${canary} is offline`)
  })

  it('holds it up when a canary loses its session more often than before', () => {
    const model = fleetOf(5, { soak: MINUTE })
    model.pass(20_000)
    const [canary] = model.rows.keys()
    model.setOnline(canary!, false)
    model.setOnline(canary!, true)
    model.pass(2 * MINUTE)
    expect(model.rollout.reason).toMatch(/has lost its session 1 times, before 0 times/)
  })

  it('goes on with a canary that was as bad before', () => {
    const model = fleetOf(5, { soak: MINUTE })
    for (const device of model.devices.values()) device.drops.push(model.now - 5_000)
    model.pass(20_000)
    const [canary] = model.rows.keys()
    model.setOnline(canary!, false)
    model.setOnline(canary!, true)
    model.pass(2 * MINUTE)
    expect(model.rollout.stage).toBeGreaterThan(0)
  })

  it('is over when a person says so', () => {
    const model = fleetOf(5, { soak: MINUTE })
    model.pass(20_000)
    const [canary] = model.rows.keys()
    model.setOnline(canary!, false)
    model.pass(2 * MINUTE)
    model.resume()
    expect(model.rollout.state).toBe('soaking')
    model.pass(20 * MINUTE)
    expect(model.rollout.state).toBe('done')
  })
})

describe('failures', () => {
  it('pause at a canary that goes back, at once', () => {
    const model = new Model()
    model.add('bad', 'rolls-back')
    for (let n = 0; n < 5; n++) model.add(`away${n}`, 'good', false)
    model.pass(MINUTE)
    expect(model.states()).toEqual({ bad: 'rolled-back' })
    expect(model.rollout.reason).toBe('too many failures in the canary: 0 failed, 1 went back to the old image')
  })

  it('pause at a canary that has only refused: it shows nothing', () => {
    const model = new Model()
    model.add('bad', 'refuses')
    model.pass(MINUTE)
    expect(model.states()).toEqual({ bad: 'failed' })
    expect(model.rollout.reason).toBe('no device of the canary has taken the image')
    for (let n = 0; n < 5; n++) model.add(`d${n}`, 'good')
    model.resume()
    model.pass(20 * MINUTE)
    expect(model.rollout.state).toBe('done')
  })

  it('do not count twice after a person has gone on', () => {
    const model = new Model({ canary: 0, waves: [100], maxParallel: 64 })
    model.add('a', 'refuses')
    model.add('b', 'refuses')
    for (let n = 0; n < 10; n++) model.add(`d${n}`, 'good')
    model.pass(3000)
    expect(model.rollout.state).toBe('paused')
    expect(model.actions.filter(({ type }) => type === 'stop').length).toBe(10)
    model.resume()
    model.pass(10 * MINUTE)
    expect(model.rollout.state).toBe('done')
    expect(Object.values(model.states()).filter((state) => state === 'done')).toHaveLength(10)
  })

  it('are tried three times with growing pauses, unless the image can never be for the device', () => {
    const model = fleetOf(1, { canary: 1, waves: [100] })
    model.add('x', 'good')
    model.settle()
    const [id] = model.rows.keys()
    const attempts = () => model.actions.filter((action) => action.id === id && action.type === 'offer').length
    const fail = (code: number) => model.event(id!, { type: 'failed', code, reason: 'no' })
    fail(OtaCode.FLASH)
    expect(model.rows.get(id!)).toMatchObject({ state: 'targeted', attempts: 1, retryAt: model.now + MINUTE })
    model.devices.get(id!)!.next = undefined
    model.pass(MINUTE)
    expect(attempts()).toBe(2)
    fail(OtaCode.FLASH)
    expect(model.rows.get(id!)).toMatchObject({ attempts: 2, retryAt: model.now + 10 * MINUTE })
    model.devices.get(id!)!.next = undefined
    model.pass(10 * MINUTE)
    expect(attempts()).toBe(3)
    fail(OtaCode.FLASH)
    expect(model.rows.get(id!)).toMatchObject({ state: 'failed', attempts: 3, code: OtaCode.FLASH, retryAt: null })
  })

  it.each([
    ['the device refuses for good', OtaCode.UNKNOWN_KEY, 'failed'],
    ['it is another chip', OtaCode.WRONG_CHIP, 'skipped'],
    ['it does not want to now', OtaCode.NOT_NOW, 'targeted'],
  ] as const)('%s: %i makes it %s', (_, code, state) => {
    const model = fleetOf(1)
    model.settle()
    model.event('d0', { type: 'failed', code, reason: 'no' })
    expect(model.rows.get('d0')!.state).toBe(state)
  })

  it('a device that does not want to now holds nobody up', () => {
    const model = fleetOf(3, { canary: 0, waves: [100] })
    model.add('busy', 'not-now')
    model.pass(2 * MINUTE)
    expect(model.rollout.state).toBe('done')
    expect(model.states().busy).toBe('targeted')
    model.pass(3 * 3600_000, 10_000)
    expect(model.states().busy).toBe('done')
  })

  it('a device whose transfer has no end does not hold up its stage for ever', () => {
    const model = fleetOf(3, { canary: 0, waves: [100] })
    model.add('slow', 'creeps')
    model.pass(TRANSFER_TIMEOUT - MINUTE, 60_000)
    expect(model.states().slow).toBe('transferring')
    model.pass(5 * MINUTE)
    expect(model.rows.get('slow')).toMatchObject({ state: 'failed', code: 'TOO_SLOW' })
    expect(model.actions.at(-1)).toMatchObject({ type: 'stop', id: 'slow' })
    model.pass(20 * MINUTE, 10_000)
    expect(model.rollout.state).toBe('done')
  })

  it('a device that never comes back has failed, and is done when it comes with the image', () => {
    const model = fleetOf(3, { canary: 0, waves: [100] })
    model.add('gone', 'vanishes')
    model.pass(RETURN_TIMEOUT + MINUTE, 10_000)
    expect(model.rows.get('gone')).toMatchObject({ state: 'failed', code: 'NO_RETURN' })
    model.devices.get('gone')!.report = newState()
    model.setOnline('gone', true)
    expect(model.rows.get('gone')!.state).toBe('done')
  })

  it('an image that calls itself another version has failed', () => {
    const model = fleetOf(1)
    model.settle()
    model.event('d0', { type: 'staged' })
    model.settle()
    model.event('d0', { type: 'report', report: { ...newState(), version: '0.9.0' } })
    expect(model.rows.get('d0')).toMatchObject({ state: 'failed', code: 'WRONG_VERSION' })
  })

  it('a device that came back with the old image is offered it again', () => {
    const model = fleetOf(1)
    model.settle()
    model.event('d0', { type: 'staged' })
    model.settle()
    expect(model.states().d0).toBe('rebooting')
    model.event('d0', { type: 'report', report: oldState() })
    expect(model.rows.get('d0')).toMatchObject({ state: 'targeted', attempts: 1, code: 'OLD_IMAGE' })
    // One that was cut off before it could restart is only asked to restart once more.
    model.rows.set('d0', { ...model.rows.get('d0')!, state: 'rebooting' })
    model.event('d0', { type: 'report', report: oldState({ staged: IMAGE.sha256 }) })
    expect(model.states().d0).toBe('staged')
  })

  it('a device that went back from the image once, and has not restarted into it now, is asked once more', () => {
    const model = fleetOf(1)
    model.settle()
    model.event('d0', { type: 'staged' })
    model.settle()
    model.event('d0', { type: 'report', report: oldState({ staged: IMAGE.sha256, rolledBack: IMAGE.sha256 }) })
    expect(model.states().d0).toBe('staged')
    model.rows.set('d0', { ...model.rows.get('d0')!, state: 'rebooting' })
    model.event('d0', { type: 'report', report: oldState({ rolledBack: IMAGE.sha256 }) })
    expect(model.states().d0).toBe('rolled-back')
  })

  it('a transfer that comes further with each session is no attempt; one that does not is', () => {
    const model = fleetOf(1)
    for (let n = 0; n < 20; n++) {
      model.settle()
      model.event('d0', { type: 'taken' })
      model.event('d0', { type: 'lost', progressed: true })
    }
    expect(model.rows.get('d0')).toMatchObject({ state: 'targeted', attempts: 0 })
    model.settle()
    model.event('d0', { type: 'lost', progressed: false })
    expect(model.rows.get('d0')).toMatchObject({ state: 'targeted', attempts: 1, code: 'SESSION_LOST' })
  })
})

describe('limits', () => {
  it('updates only within the window, also one over midnight', () => {
    const model = fleetOf(3, { canary: 0, waves: [100], window: { from: 23 * 60, to: 2 * 60 } })
    model.minuteOfDay = 12 * 60
    model.pass(10 * MINUTE)
    expect(model.actions).toEqual([])
    model.minuteOfDay = 60
    model.pass(1000)
    expect(model.actions.map(({ type }) => type)).toEqual(['offer', 'offer'])
    // It closes while images are on their way: they arrive, and nobody restarts.
    model.minuteOfDay = 3 * 60
    model.pass(10 * MINUTE)
    expect(model.actions.some(({ type }) => type === 'apply')).toBe(false)
    model.minuteOfDay = 23 * 60
    model.pass(10 * MINUTE)
    expect(model.rollout.state).toBe('done')
  })

  it('begins no more transfers than the gateway has room for', () => {
    const model = fleetOf(5, { canary: 0, waves: [100], maxParallel: 64 })
    model.capacity = 0
    model.pass(MINUTE)
    expect(model.actions).toEqual([])
  })

  it('takes a device out that is not approved any more, and ends its transfer', () => {
    const model = fleetOf(2, { canary: 0, waves: [100] })
    model.settle()
    model.devices.delete('d0')
    model.settle()
    expect(model.rows.get('d0')).toMatchObject({ state: 'skipped', code: 'NOT_APPROVED' })
    expect(model.actions.at(-1)).toMatchObject({ type: 'stop', id: 'd0' })
  })
})

describe('people', () => {
  it('pause: transfers stop, who restarts already goes on, and nobody else begins', () => {
    const model = fleetOf(6, { canary: 0, waves: [100], maxParallel: 3 })
    model.pass(4500)
    expect(Object.values(model.states())).toContain('rebooting')
    const offers = model.actions.filter(({ type }) => type === 'offer').length
    model.pause()
    model.pass(30 * MINUTE, 5000)
    expect(model.actions.filter(({ type }) => type === 'offer')).toHaveLength(offers)
    expect(new Set(Object.values(model.states()))).toEqual(new Set(['done', 'targeted']))
    model.resume()
    model.pass(10 * MINUTE)
    expect(model.rollout.state).toBe('done')
  })

  it('abort: for good', () => {
    const model = fleetOf(6, { canary: 0, waves: [100] })
    model.pass(2000)
    model.abort()
    const actions = model.actions.length
    model.add('late', 'good')
    model.pass(60 * MINUTE, 5000)
    expect(model.actions).toHaveLength(actions)
  })

  it('retry: a device that failed is tried as if it were new', () => {
    const model = new Model({ canary: 0, waves: [100] })
    model.add('a', 'fails-once')
    model.settle()
    model.rows.set('a', { ...model.rows.get('a')!, state: 'failed', attempts: 3, code: 'STALLED', reason: 'slow' })
    model.event('a', { type: 'retry' })
    expect(model.rows.get('a')).toMatchObject({ state: 'targeted', attempts: 0, code: null })
  })
})

test('a clock that is set makes no soak shorter, no pause longer, and nobody late', () => {
  const model = fleetOf(1, { canary: 0, waves: [100], soak: MINUTE })
  model.add('gone', 'vanishes')
  model.add('again', 'fails-once')
  model.pass(6000)
  expect(model.states()).toMatchObject({ gone: 'rebooting', again: 'targeted' })
  const { since } = model.rows.get('gone')!
  const { retryAt } = model.rows.get('again')!
  const day = 24 * 60 * MINUTE
  const { rows, rollout } = shifted({ ...model.rollout, soakUntil: 7 }, model.rows, day)
  expect(rollout!.soakUntil).toBe(7 + day)
  expect(rows.get('gone')!.since).toBe(since + day)
  expect(rows.get('again')!.retryAt).toBe(retryAt! + day)
  const over = new Map([['x', { ...model.rows.get('again')!, state: 'done' as const, retryAt: null }]])
  expect(shifted(model.rollout, over, day).rows.size).toBe(0)
  expect(shifted(model.rollout, new Map(), -day).rollout).toBeUndefined()
  // The clock that never jumps has fractions of milliseconds, and dates have none.
  const odd = shifted({ ...model.rollout, soakUntil: 7 }, model.rows, 5000.4)
  expect(v.is(rolloutRecord, odd.rollout)).toBe(true)
  for (const row of odd.rows.values()) expect(v.is(rolloutDeviceRecord, toRecord(row))).toBe(true)
})
