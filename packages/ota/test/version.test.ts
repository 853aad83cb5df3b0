import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayOf, formatDay, formatVersion, parseDay, parseVersion } from '../src/index.ts'

describe('a version', () => {
  test('every 32 bits are one, and order as numbers is order as versions', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(u32, u32, (a, b) => {
        expect(parseVersion(formatVersion(a))).toBe(a)
        const [x, y] = [a, b].map((version) => formatVersion(version).split('.').map(Number)) as [number[], number[]]
        const first = x.findIndex((part, index) => part !== y[index])
        expect(Math.sign(a - b)).toBe(first < 0 ? 0 : Math.sign(x[first]! - y[first]!))
      }),
    )
  })

  test.each(['', '1', '1.2', '1.2.3.4', '256.0.0', '0.256.0', '0.0.65536', '01.0.0', '1.-2.3', 'v1.2.3', '1.2.3 '])(
    '"%s" is none',
    (text) => expect(() => parseVersion(text)).toThrow(/is not a version/),
  )
})

describe('a day', () => {
  test('the first one, a leap day, the last year', () => {
    expect(parseDay('2020-01-02')).toBe(1)
    expect(formatDay(parseDay('2028-02-29'))).toBe('2028-02-29')
    expect(formatDay(parseDay('9999-12-31'))).toBe('9999-12-31')
    expect(formatDay(0xffffffff)).toBe('day 4294967295')
    expect(dayOf(new Date('2020-01-02T23:59:59Z'))).toBe(1)
    expect(dayOf(new Date('2020-01-03T00:00:00Z'))).toBe(2)
    expect(dayOf(new Date('1999-01-01T00:00:00Z'))).toBe(0)
  })

  test.each(['', '2020-01-01', '2019-12-31', '2023-02-30', '2023-13-01', '23-01-01', '2023-1-1', '2023-01-01T00:00'])(
    '"%s" is none',
    (text) => expect(() => parseDay(text)).toThrow(/is not a date/),
  )
})
