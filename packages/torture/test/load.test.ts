import { expect, test } from 'vitest'
import { measureLoad } from '../src/load.js'

test('load: all connect, every message arrives in its order, and nothing stays behind', async () => {
  const figures = await measureLoad({ short: true, seed: 1, minutes: 0, progress: () => {} })
  expect(figures.map(({ kind }) => kind)).toEqual(['tcp', 'udp'])
  for (const { open, wanted, failures, counts, sent, left, handshakes } of figures) {
    expect(open).toBe(wanted)
    expect(failures).toEqual({})
    expect(sent).toBe(400)
    expect(counts).toMatchObject({ delivered: sent, wrong: 0, refused: 0, broken: 0 })
    expect(left).toBe(0)
    expect(handshakes.resources[1]).toEqual(handshakes.resources[0])
    // Of 400 sessions, each of which has 9 kB while it lives: none of them is still held.
    expect(handshakes.growth[0]).toBeLessThan(1_000_000)
  }
}, 600_000)
