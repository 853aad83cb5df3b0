import { expect, test } from 'vitest'
import { playFaults } from '../src/faults.js'
import { narrowPlaces } from '../src/narrow.js'

const options = { short: true, seed: 1, minutes: 0, progress: () => {} }

test('faults: after each of them the messages go on, none lost, none twice in a session', async () => {
  const results = await playFaults(options)
  expect(results).toHaveLength(24)
  expect(results.filter(({ violations }) => violations.length > 0)).toEqual([])
}, 600_000)

test('faults: transports that take little at a time, or nothing for a while', async () => {
  const results = await narrowPlaces(options)
  expect(results).toHaveLength(4)
  for (const { violations } of results) expect(violations).toEqual([])
}, 600_000)
