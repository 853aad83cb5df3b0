import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { benches } from '../src/benches/all.js'
import { findWorse } from '../src/check.js'
import { interleave } from '../src/interleave.js'
import { insertRun, renderReport } from '../src/markdown.js'
import type { Report } from '../src/report.js'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** A report of one table of shares and one of sizes. */
function report(share: number, size: number): Report {
  const spread = { min: 1, median: 2, max: 3 }
  const shares = [
    { name: 'bare', ...spread },
    { name: 'TLS', limit: 'bare', share, ...spread },
    { name: 'USMP', limit: 'bare', share, target: 0.75, ...spread },
  ]
  const sizes = [{ name: '@usmp/core', min: size, median: size, max: size }]
  return {
    date: '2026-01-02T03:04:05.678Z',
    command: 'pnpm bench',
    machine: { cpu: 'a processor', cores: 2, os: 'linux x64', node: '20.19.0', openssl: '3.0' },
    tables: [
      { id: 'speed', title: 'Speed', unit: 'µs', about: 'About speed.', rows: shares },
      { id: 'size', title: 'Size', unit: 'bytes', about: 'About size.', rows: sizes },
    ],
    notes: [],
  }
}

test('every benchmark runs, and its results have the shape of a report', { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-bench-'))
  const json = join(folder, 'report.json')
  const child = spawn(process.execPath, [program, '--minimal', '--json', json], {
    // The Python peer is no part of this project's dependencies.
    env: { ...process.env, USMP_PYTHON: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code] = await once(child, 'close')
  expect(code, errors).toBe(0)

  const { tables, machine, notes } = JSON.parse(readFileSync(json, 'utf8')) as Report
  rmSync(folder, { recursive: true })
  expect(tables.map(({ id }) => id)).toEqual(benches.filter((bench) => !bench.missing?.()).map(({ id }) => id))
  expect(machine).toEqual({
    cpu: expect.any(String),
    cores: expect.any(Number),
    os: expect.any(String),
    node: process.versions.node,
    openssl: process.versions.openssl,
  })
  expect(notes.join()).toContain('USMP_PYTHON')
  for (const table of tables) {
    expect(output).toContain(`### ${table.title}`)
    expect(table.rows.map(({ name }) => name).join()).toMatch(/usmp/i)
    for (const row of table.rows) {
      expect(row, table.id).toMatchObject({
        min: expect.any(Number),
        median: expect.any(Number),
        max: expect.any(Number),
      })
      if (row.limit === undefined) continue
      expect(table.rows.map(({ name }) => name)).toContain(row.limit)
      expect(row.share).toBeGreaterThan(0)
    }
  }
})

test('a run is compared with the one that is kept', async () => {
  const child = spawn(process.execPath, [program, '--minimal', '--only', 'bundle-size', '--check'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  expect(output).toMatch(/Nothing is worse than recorded|Worse than recorded/)
})

test('without a browser its table is left out, with a word', async () => {
  const child = spawn(process.execPath, [program, '--minimal', '--only', 'browser'], {
    env: { ...process.env, PATH: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  expect(output).toContain('Left out: A page in Chromium: there is no program `chromium` in PATH.')
  expect(output).not.toContain('###')
})

test('contestants take turns, and shares are taken within a round', async () => {
  const turns: string[] = []
  // Every round costs both of them more, as on a machine that gets busier.
  const cost = (name: string, factor: number) => () => {
    turns.push(name)
    return factor * turns.filter((turn) => turn === name).length
  }
  const rows = await interleave(
    [
      { name: 'a', measure: cost('a', 2) },
      { name: 'b', limit: 'a', target: 0.5, measure: cost('b', 4) },
    ],
    { rounds: 3, turn: 0 },
    () => {},
  )
  // The first turn of each is the warm-up.
  expect(turns.join('')).toBe('abababab')
  expect(rows).toEqual([
    { name: 'a', min: 4, median: 6, max: 8 },
    { name: 'b', limit: 'a', target: 0.5, share: 0.5, min: 8, median: 12, max: 16 },
  ])
})

test('a turn is made long enough, and what it is compared with has to take part', async () => {
  const counts: number[] = []
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const measure = (count: number) => {
    counts.push(count)
    now += count
    return 1
  }
  await interleave([{ name: 'one ms each', measure }], { rounds: 1, turn: 20 }, () => {})
  vi.restoreAllMocks()
  // Grown until 20 ms are full, twice; then a lead-in, and the turn.
  expect(counts).toEqual([1, 8, 20, 20, 5, 20])
  const lonely = interleave([{ name: 'b', limit: 'a', measure: () => 1 }], { rounds: 1, turn: 0 }, () => {})
  await expect(lonely).rejects.toThrow('b is compared with a')
})

test('what became worse is named, and noise is not', () => {
  expect(findWorse(report(0.8, 1000), report(0.75, 1050))).toEqual([])
  expect(findWorse(report(0.8, 1000), report(0.9, 500))).toEqual([])
  expect(findWorse(report(0.8, 1000), report(0.6, 1200))).toEqual([
    'Speed: USMP: 60.0 % of bare, was 80.0 %',
    'Size: @usmp/core: 1200 bytes, was 1000',
  ])
  expect(findWorse({ ...report(0.8, 1000), tables: [] }, report(0.1, 9000))).toEqual([])
})

test('a run replaces the one in the document, and nothing else', () => {
  const text = renderReport(report(0.5, 1000))
  expect(text).toContain('| USMP   |      1 |         2 |      3 |    500,000 | bare     | 50 % |   75 % |')
  expect(text).toContain('| @usmp/core | 1,000 |')
  const begin = '<!-- begin of the run, written by `pnpm bench --document` -->'
  const end = '<!-- end of the run -->'
  const once = insertRun(`before\n${begin}\nold\n${end}\nafter\n`, text)
  expect(once).toBe(`before\n${begin}\n\n${text}\n${end}\nafter\n`)
  expect(insertRun(once, text)).toBe(once)
  expect(() => insertRun('no markers', text)).toThrow('the document needs the lines')
})
