// The package for MicroPython is held to the vectors, by the command that anybody's implementation is held to them with.
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { done } from './usmp.js'

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const onCPython = `env PYTHONPATH="${root('firmware-micropython')}" python3 "${root('firmware-micropython/tests/vectors_program.py')}"`
const onMicroPython = `"${process.execPath}" "${root('packages/conformance/micropython/vectors.mjs')}"`

/** What a client with suite 2 has something to do with. */
const topics = [
  'crc16',
  'frame',
  'handshake',
  'key-schedule',
  'primitives',
  'sealed',
  'fragment',
  'replay',
  'rekey',
  'session',
  'utack',
]

/** Topic: passed cases. */
async function passed(command: string, only: readonly string[]): Promise<Record<string, number>> {
  const run = await done('vectors', 'check', '--exec', command, '--json', '--wait', '100', '--topic', ...only)
  expect(run.objects().filter(({ event }) => event === 'failed')).toEqual([])
  expect(run.code).toBe(0)
  const counted = run.objects().filter(({ event }) => event === 'topic')
  return Object.fromEntries(counted.map(({ topic, passed }) => [topic, Number(passed)]))
}

/** Its cases are in both suites, or for a role or a version that it does not have; those are left out. */
const expected = {
  crc16: 28,
  frame: 424,
  handshake: 216,
  'key-schedule': 33,
  primitives: 108,
  sealed: 199,
  fragment: 54,
  replay: 56,
  rekey: 6,
  session: 48,
  utack: 50,
}

test('under CPython', async () => {
  const counts = await passed(onCPython, [...topics, 'stream', 'cobs'])
  expect(counts).toEqual({ ...expected, stream: 38, cobs: 71 })
})

// The cuts of streams and lines at every place would take it minutes.
test('under MicroPython', async () => {
  expect(await passed(onMicroPython, topics)).toEqual(expected)
})
