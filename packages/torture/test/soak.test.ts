import { expect, test } from 'vitest'
import { soakFor } from '../src/soak.js'

test('soak: nothing lost silently, doubled or out of order, and nothing stays behind', async () => {
  const figures = await soakFor({ short: true, seed: 1, minutes: 0, progress: () => {} })
  expect(figures.violations).toEqual([])
  for (const kind of ['tcp', 'udp', 'ws']) expect(figures.ends[`${kind} CLOSED`]).toBeGreaterThan(0)
  expect(figures.counts.messages).toBeGreaterThan(1_000)
  expect(figures.badClients).toBeGreaterThan(0)
  expect(figures.left).toBe(0)
  expect(figures.resources[1]).toEqual(figures.resources[0])
}, 600_000)
