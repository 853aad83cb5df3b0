import { turns } from '@usmp/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { KeyLookups } from '../src/key-lookups.ts'

/** Look-ups whose answers are given by hand. */
function begin(max: number) {
  const lookups = new KeyLookups(max)
  const asked: string[] = []
  const answers = new Map<string, (answer: unknown) => void>()
  const ask = (deviceId: string, source = 'a') => {
    const abort = new AbortController()
    const outcome = Promise.resolve(
      lookups.run(deviceId, { source, signal: abort.signal }, () => {
        asked.push(deviceId)
        return new Promise<unknown>((resolve) => answers.set(deviceId, resolve))
      }),
    ).catch((error: unknown) => error)
    return { abort, outcome }
  }
  return { asked, answers, ask, lookups }
}

describe('look-ups of keys', () => {
  test('so many at once, and the next when one has answered', async () => {
    const { asked, answers, ask } = begin(2)
    const first = ask('1')
    ask('2')
    ask('3')
    ask('4')
    await turns()
    expect(asked).toEqual(['1', '2'])
    answers.get('1')!('key')
    expect(await first.outcome).toBe('key')
    await turns()
    expect(asked).toEqual(['1', '2', '3'])
  })

  test('one that hangs for a device holds up nobody but this device', async () => {
    const { asked, ask } = begin(4)
    for (let i = 0; i < 10; i++) ask('hangs', 'a')
    ask('good', 'b')
    await turns()
    expect(asked).toEqual(['hangs', 'good'])
  })

  test('somebody elsewhere who claims the id of a device does not hold up the device', async () => {
    const { asked, ask } = begin(4)
    for (let i = 0; i < 10; i++) ask('slow', 'elsewhere')
    ask('slow', 'at home')
    await turns()
    expect(asked).toEqual(['slow', 'slow'])
  })

  test('the address with the fewest is next, so that a flood delays mostly itself', async () => {
    const { asked, answers, ask } = begin(3)
    for (let i = 0; i < 20; i++) ask(`flood ${i}`, 'flooder')
    ask('good', 'neighbour')
    await turns()
    expect(asked).toEqual(['flood 0', 'flood 1', 'flood 2'])
    answers.get('flood 1')!(null)
    await turns()
    expect(asked.at(-1)).toBe('good')
  })

  test('one that nobody waits for is told at once, and keeps its place until it settles', async () => {
    const { asked, answers, ask } = begin(1)
    const first = ask('1')
    const second = ask('2')
    first.abort.abort('gone')
    expect(await first.outcome).toBe('gone')
    await turns()
    expect(asked).toEqual(['1'])
    answers.get('1')!(null)
    await turns()
    expect(asked).toEqual(['1', '2'])
    second.abort.abort()
  })

  test('one that never settles gives its place back ten seconds after its handshake', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { asked, ask } = begin(1)
    ask('hangs').abort.abort()
    ask('good')
    vi.advanceTimersByTime(9_999)
    await turns()
    expect(asked).toEqual(['hangs'])
    vi.advanceTimersByTime(1)
    await turns()
    expect(asked).toEqual(['hangs', 'good'])
  })

  test('one that leaves while it waits is not asked for', async () => {
    const { asked, answers, ask } = begin(1)
    ask('1')
    const leaver = ask('2')
    ask('3')
    leaver.abort.abort('left')
    expect(await leaver.outcome).toBe('left')
    answers.get('1')!(null)
    await turns()
    expect(asked).toEqual(['1', '3'])
  })

  test('an answer at once needs no place, and neither does what throws', () => {
    const { lookups } = begin(1)
    const requester = { source: 'a', signal: new AbortController().signal }
    for (let i = 0; i < 3; i++) {
      expect(lookups.run('1', requester, () => 'key')).toBe('key')
      expect(() =>
        lookups.run('1', requester, () => {
          throw new Error('no database')
        }),
      ).toThrow('no database')
    }
  })
})
