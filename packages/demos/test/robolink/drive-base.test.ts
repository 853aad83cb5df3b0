import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { DriveBase } from '../../src/robolink/robot/drive-base.js'

const at = (base: DriveBase, now: number) => {
  base.advance(now)
  return base.report(0, now)
}

describe('the drive base', () => {
  test('gains speed, goes straight, and says what it does', () => {
    const base = new DriveBase(0)
    expect(base.drive({ v: 0.3, w: 0 }, 0)).toEqual({ v: 0.3, w: 0 })
    expect(at(base, 100)).toMatchObject({ v: 0.1, state: 'driving' })
    expect(at(base, 300)).toMatchObject({ v: 0.3, w: 0, left: 0.3, right: 0.3 })
    base.drive({ v: 0.3, w: 0 }, 400)
    const { x, y, battery, temperature } = at(base, 800)
    expect(x).toBeCloseTo(0.3 * 0.8 - 0.3 ** 2 / 2, 2)
    expect(y).toBe(0)
    expect(battery).toBeLessThan(1)
    expect(temperature).toBeGreaterThan(25)
  })

  test('turns to the left with its right wheel faster', () => {
    const base = new DriveBase(0)
    base.drive({ v: 0.2, w: 1 }, 0)
    const { theta, y, left, right } = at(base, 450)
    expect(theta).toBeGreaterThan(0.3)
    expect(y).toBeGreaterThan(0)
    expect(right - left).toBeCloseTo(0.2)
  })

  test('cuts what it is not capable of', () => {
    expect(new DriveBase(0).drive({ v: -9, w: 9 }, 0)).toEqual({ v: -0.5, w: 2 })
  })

  test('its dead man stops it 500 ms after the last command, and a new command ends that', () => {
    const base = new DriveBase(0)
    base.drive({ v: 0.5, w: 2 }, 0)
    expect(at(base, 490)).toMatchObject({ state: 'driving' })
    expect(at(base, 560)).toMatchObject({ v: 0, w: 0, state: 'deadman' })
    base.drive({ v: 0.1, w: 0 }, 600)
    expect(at(base, 800)).toMatchObject({ v: 0.1, state: 'driving' })
  })

  test('stops within 50 ms, when told and when left alone', () => {
    for (const [act, state] of [
      ['stop', 'idle'],
      ['abandon', 'deadman'],
    ] as const) {
      const base = new DriveBase(0)
      base.drive({ v: 0.5, w: 2 }, 0)
      base.drive({ v: 0.5, w: 2 }, 400)
      base[act](500)
      expect(at(base, 560)).toMatchObject({ v: 0, w: 0, state })
    }
  })

  test('one that stands is not stopped', () => {
    const base = new DriveBase(0)
    base.abandon(10)
    expect(at(base, 10_000)).toMatchObject({ state: 'idle', x: 0 })
  })

  test.prop([
    fc.array(fc.tuple(fc.nat(3_000), fc.double({ noNaN: true }), fc.double({ noNaN: true })), { maxLength: 20 }),
  ])('stands 600 ms after the last of any commands, and never exceeds its limits', (commands) => {
    const base = new DriveBase(0)
    let now = 0
    for (const [pause, v, w] of commands) {
      now += pause
      base.drive({ v, w }, now)
      const { v: speed, w: turn, theta, battery } = base.report(0, now)
      expect(Math.abs(speed)).toBeLessThanOrEqual(0.5)
      expect(Math.abs(turn)).toBeLessThanOrEqual(2)
      expect(Math.abs(theta)).toBeLessThanOrEqual(Math.PI + 1e-4)
      expect(battery).toBeGreaterThanOrEqual(0)
    }
    expect(at(base, now + 600)).toMatchObject({ v: 0, w: 0 })
  })
})
