import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromHex, toHex } from '@usmp/core'
import { decodeAnswer, decodeQuery, decodeTxt, encodeAnswer, encodeTxt } from '@usmp/discovery/internal'
import { Random } from '@usmp/testing'
import { buildC, cFolder } from '@usmp/testing/c-programs'
import { beforeAll, expect, test } from 'vitest'

// TypeScript and C take the same datagrams and TXT records, and refuse the same, however they were changed on their way.

const CASES = 20_000
const noNonce = new Uint8Array(8)

beforeAll(() => buildC('usmp-discovery-reader'), 240_000)

interface Case {
  readonly query?: string
  readonly answer?: string
}

const path = fileURLToPath(new URL('../../../vectors/discovery.json', import.meta.url))
const cases = (JSON.parse(readFileSync(path, 'utf8')) as { groups: { tests: Case[] }[] }).groups.flatMap(
  ({ tests }) => tests,
)
const hexOf = (kind: keyof Case) => cases.flatMap((one) => (one[kind] === undefined ? [] : [one[kind]]))

/** One to three faults: a byte changed, one added, one taken out, or a piece copied to elsewhere. */
function change(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = [...bytes]
  for (let faults = 1 + random.below(3); faults > 0; faults--) {
    const at = random.below(changed.length + 1)
    const kind = random.below(5)
    if (kind === 0) changed.splice(at, 0, random.below(256))
    else if (kind === 1) changed.splice(at, 1)
    else if (kind === 2) changed.splice(at, 0, ...changed.slice(at, at + random.below(12)))
    else if (at < changed.length) changed[at] = kind === 3 ? random.below(256) : changed[at]! ^ (1 << random.below(8))
  }
  return Uint8Array.from(changed)
}

/** What C says to each line. */
function askC(lines: readonly string[]): string[] {
  const { stdout, status } = spawnSync(join(cFolder, 'usmp-discovery-reader'), {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  expect(status).toBe(0)
  return stdout.trimEnd().split('\n')
}

function compare(lines: readonly string[], expected: readonly string[], seed: number): void {
  const said = askC(lines)
  expect(said).toHaveLength(lines.length)
  const wrong = lines.flatMap((line, i) => (said[i] === expected[i] ? [] : [{ line, c: said[i], ts: expected[i] }]))
  expect(wrong.slice(0, 3), `seed ${seed}`).toEqual([])
  // Cases of both kinds, or nothing was compared.
  expect(expected.filter((one) => one === 'none').length).toBeGreaterThan(CASES / 500)
  expect(expected.filter((one) => one !== 'none').length).toBeGreaterThan(CASES / 500)
}

function answerOf(bytes: Uint8Array): string {
  const answer = decodeAnswer(bytes)
  return answer ? toHex(encodeAnswer(answer)) : 'none'
}

test('queries', () => {
  const seed = randomInt(2 ** 31)
  const random = new Random(seed)
  const seeds = hexOf('query')
  const queries = Array.from({ length: CASES }, (_, i) => {
    const bytes = fromHex(seeds[i % seeds.length]!)
    return i < seeds.length ? bytes : change(bytes, random)
  })
  const roles = { gateway: 1, device: 2 }
  const expected = queries.map((bytes) => {
    const query = decodeQuery(bytes)
    return query ? String(query.roles.reduce((sum, role) => sum + roles[role], 0)) : 'none'
  })
  compare(
    queries.map((bytes) => `query ${toHex(bytes)}`),
    expected,
    seed,
  )
})

test('answers', () => {
  const seed = randomInt(2 ** 31)
  const random = new Random(seed)
  const seeds = hexOf('answer')
  const answers = Array.from({ length: CASES }, (_, i) => {
    const bytes = fromHex(seeds[i % seeds.length]!)
    return i < seeds.length ? bytes : change(bytes, random)
  })
  compare(
    answers.map((bytes) => `answer ${toHex(bytes)}`),
    answers.map(answerOf),
    seed,
  )
})

test('TXT records', () => {
  const seed = randomInt(2 ** 31)
  const random = new Random(seed)
  const seeds = hexOf('answer').flatMap((hex) => {
    const answer = decodeAnswer(fromHex(hex))
    return answer ? [encodeTxt(answer)] : []
  })
  const more = [
    't=udp',
    't=tcp,udp:1,ws',
    'n=0000',
    'j=1',
    'x=1',
    'v=2',
    'id=000000000000',
    's=',
    'w=/',
    'noequals',
    '=',
  ]
  const records = Array.from({ length: CASES }, (_, i) => {
    const entries = [...seeds[i % seeds.length]!]
    if (random.below(3) === 0) entries.splice(random.below(entries.length + 1), 0, more[random.below(more.length)]!)
    if (random.below(4) === 0) entries.splice(random.below(entries.length), 1)
    const bytes: Uint8Array[] = entries.map((entry) => Uint8Array.from([...entry], (char) => char.charCodeAt(0)))
    const at = random.below(bytes.length)
    if (random.below(2) === 0) bytes[at] = change(bytes[at]!, random)
    return bytes
  })
  const expected = records.map((entries) => {
    const facts = decodeTxt(entries, 7000)
    return facts ? toHex(encodeAnswer({ nonce: noNonce, ...facts })) : 'none'
  })
  compare(
    records.map((entries) => `txt 7000 ${entries.map((entry) => toHex(entry)).join(',')}`),
    expected,
    seed,
  )
})
