import { expect, test } from 'vitest'
import { MeetingDays } from '../../src/meeting-days.ts'
import type { Side } from '../../src/wire.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const MIDNIGHT = Date.parse('2026-12-01T00:00:00Z')

/** Where a peer is in each second of some minutes, by its own clock. */
function placesOf(side: Side, start: number, skew: number, minutes: number): string[] {
  let now = start
  const days = new MeetingDays(side, () => now + skew)
  const places: string[] = []
  for (const end = start + minutes * MINUTE; now < end; ) {
    const { day, duration } = days.next()
    // A join takes a moment in which the peer is nowhere.
    places.push('')
    for (let spent = SECOND; spent < duration && spent < end - start; spent += SECOND) places.push(day)
    now += duration
  }
  return places
}

test('away from midnight it is the day by the own clock, in UTC', () => {
  for (const side of [0, 1] as const) {
    const days = new MeetingDays(side, () => MIDNIGHT - 5 * MINUTE - 1)
    for (let i = 0; i < 4; i++) expect(days.next()).toEqual({ day: '2026-11-30', duration: 1 })
    expect(new MeetingDays(side, () => MIDNIGHT + 5 * MINUTE).next()).toEqual({
      day: '2026-12-01',
      duration: 5 * MINUTE,
    })
  }
})

test('near midnight it is the own day and its neighbour by turns', () => {
  const before = new MeetingDays(0, () => MIDNIGHT - 1)
  expect([0, 1, 2].map(() => before.next().day)).toEqual(['2026-11-30', '2026-12-01', '2026-11-30'])
  const behind = new MeetingDays(1, () => MIDNIGHT)
  expect([0, 1, 2].map(() => behind.next().day)).toEqual(['2026-12-01', '2026-11-30', '2026-12-01'])
})

test('peers whose clocks differ by up to ten minutes meet within 45 seconds, whenever they begin', () => {
  for (let skew = -10 * MINUTE; skew <= 10 * MINUTE; skew += 97 * SECOND) {
    for (let start = -16 * MINUTE; start <= 16 * MINUTE; start += 41 * SECOND) {
      const first = placesOf(0, MIDNIGHT + start, 0, 2)
      const second = placesOf(1, MIDNIGHT + start, skew, 2)
      const met = first.findIndex((place, at) => place !== '' && place === second[at])
      expect(met, `skew ${skew / SECOND} s, start ${start / SECOND} s`).toBeGreaterThanOrEqual(0)
      expect(met).toBeLessThan(45)
    }
  }
})
