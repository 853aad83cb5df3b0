import { expect, test } from 'vitest'
import { loss } from '../src/loss.js'

test('loss: nothing goes missing at 20 %, and several under way beat one', async () => {
  const text = await loss.run({ short: true, seed: 1, minutes: 0, progress: () => {} })
  const row = text.split('\n').find((line) => line.startsWith('| 20 % loss'))
  const cells = row?.split('|').map((cell) => cell.trim())
  expect(cells?.[3]).toBe('100.0 %')
  expect(Number(cells?.[7]?.split(' ')[0])).toBeGreaterThan(2)
})
