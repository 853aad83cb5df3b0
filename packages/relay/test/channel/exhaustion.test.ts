import { expect, test, vi } from 'vitest'
import { Reader, TwoChannels } from './two-channels.ts'

// Ids that are soon used up.
vi.mock('../../src/cell.ts', async (original) => ({ ...(await original<object>()), MAX_ID: 10 }))

test('ids are never used twice: the channel ends as SEQ_EXHAUSTED', async () => {
  const world = new TwoChannels()
  const reader = new Reader(world.channels[1])
  await world.connect()
  for (let i = 0; i < 9; i++) world.channels[0].trySend(`${i}`)
  await world.pass(100)
  expect(world.channels[0].unconfirmed).toBe(0)
  world.channels[0].trySend('one too many')
  await world.pass(100)
  expect((await world.channels[0].closed).code).toBe('SEQ_EXHAUSTED')
  expect(reader.texts).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8'])
  expect(world.reasons.map(({ code }) => code)).toContain('SEQ_EXHAUSTED')
})
