import { getEventListeners } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import { Output } from '../src/output.js'

afterEach(() => vi.restoreAllMocks())

test('an stdout that is full again and again leaves no listener behind', async () => {
  const output = new Output(false)
  const drains = process.stdout.listenerCount('drain')
  vi.spyOn(process.stdout, 'write').mockReturnValue(false)
  for (let i = 0; i < 50; i++) {
    const written = [output.write('x'), output.write('y')]
    expect(getEventListeners(output.broken, 'abort')).toHaveLength(1)
    process.stdout.emit('drain')
    await Promise.all(written)
  }
  expect(getEventListeners(output.broken, 'abort')).toHaveLength(0)
  expect(process.stdout.listenerCount('drain')).toBe(drains)
})
