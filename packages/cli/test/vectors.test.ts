import { readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { directory, done, file } from './usmp.js'

const built = (name: string) => fileURLToPath(new URL(`../build/${name}`, import.meta.url))
const OURS = `"${process.execPath}" "${built('vectors-program.js')}"`

const check = (command: string, ...args: string[]) => done('vectors', 'check', '--exec', command, ...args)

/** How many cases there are, by the table of vectors/README.md. */
function announced(): Record<string, number> {
  const readme = readFileSync(new URL('../../../vectors/README.md', import.meta.url), 'utf8')
  const rows = readme.matchAll(/^\| \[([a-z0-9-]+)\]\([^)]*\.json\) \| (\d+) \|/gm)
  return Object.fromEntries([...rows].map(([, topic, count]) => [topic, Number(count)]))
}

describe('vectors check', () => {
  test('the TypeScript core passes; every case is counted; what is left out is said', async () => {
    const run = await check(OURS, '--json')
    expect(run.objects().filter(({ event }) => event === 'failed')).toEqual([])
    expect(run.code).toBe(0)
    const topics = run.objects().filter(({ event }) => event === 'topic')
    const counted = topics.map(({ topic, passed, left_out }) => [topic, Number(passed) + Number(left_out)])
    expect(Object.fromEntries(counted)).toEqual(announced())
    const told = run.objects('stderr').filter(({ event }) => event === 'left-out')
    const leftOut = topics.reduce((sum, { left_out }) => sum + Number(left_out), 0)
    expect(told.reduce((sum, { cases }) => sum + Number(cases), 0)).toBe(leftOut)
    // Wire version 1, numbers near 2^32, and a thousand multiplications, which other tests of the core run.
    expect(leftOut).toBe(49)
    // Some 30,000 calls, one after the other.
  })

  test.each([
    ['decode', 'frame'],
    ['aead_open', 'primitives'],
    ['deframe', 'stream'],
    ['handshake', 'handshake'],
    ['session', 'rekey'],
    ['rekey_keys', 'rekey'],
    ['reassemble', 'fragment'],
    ['replay', 'replay'],
    ['utack_verify', 'utack'],
  ])(
    'a program that answers "%s" wrongly fails',
    async (call, topic) => {
      const run = await check(`VECTORS_FAULT=${call} ${OURS}`, '--json', '--topic', topic)
      expect(run.code).toBe(7)
      const answer = { error: 'WRONG_ON_PURPOSE' }
      expect(run.objects().find(({ event }) => event === 'failed')).toMatchObject({ topic, call, answer })
    },
    20_000,
  )

  test('a failure says which case, what its flag means, what was asked, expected and answered', async () => {
    const run = await check(`VECTORS_FAULT=crc16 ${OURS}`, '--topic', 'crc16')
    expect(run.code).toBe(7)
    expect(run.stdout).toContain('FAILED crc16 #1 the check string')
    expect(run.stdout).toMatch(/CHECK_VALUE: .+/)
    expect(run.stdout).toContain('call     {"call":"crc16","input":"313233343536373839"}')
    expect(run.stdout).toContain('expected {"crc":')
    expect(run.stdout).toContain('answer   {"error":"WRONG_ON_PURPOSE"}')
    expect(run.stderr).toMatch(/^vectors: 0 passed, 28 failed$/m)
  })

  test('one topic, from another folder', async () => {
    const folder = join(await directory(), 'cases')
    await cp(built('vectors/crc16.json'), join(folder, 'crc16.json'))
    const run = await check(OURS, '--vectors', folder)
    expect(run.stdout).toBe('crc16          28 passed, 0 failed\n')
    expect(run.code).toBe(0)
  })

  test('an unknown topic is a wrong usage, and the topics are named', async () => {
    const run = await check(OURS, '--topic', 'crc32')
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('there is no topic "crc32"')
    expect(run.stderr).toContain('crc16, device-psk')
  })

  test('cases of a kind that this command does not know are no success', async () => {
    const folder = await directory()
    const cases = await file(
      JSON.stringify({
        topic: 'crc16',
        notes: {},
        groups: [{ params: { op: 'crc64' }, tests: [{ id: 1, flags: [] }] }],
      }),
      'crc16.json',
    )
    await cp(cases, join(folder, 'crc16.json'))
    const run = await check(OURS, '--vectors', folder)
    expect(run.code).not.toBe(0)
    expect(run.stderr).toContain('crc64')
  })

  test.each([
    ['ends at once', 'true', 'ended before it answered'],
    ['is not there', 'no-such-program-here', 'ended before it answered'],
    ['answers with text', 'while read line; do echo hello; done', 'no JSON object'],
    ['says nothing', 'sleep 30', 'did not answer within 0.3 s'],
  ])('a program that %s is told so', async (_, command, message) => {
    const run = await check(command, '--topic', 'crc16', '-W', '0.3')
    expect(run.code).toBe(2)
    expect(run.stderr).toContain(message)
  })
})
