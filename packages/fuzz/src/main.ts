// Usage: node main.js [NAME …] [--minutes N] [--seed N] [--keep] [--document FILE]
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table, writeBetweenMarks } from '@usmp/testing/markdown'
import { type Bundle, bundleWorker } from './bundle.js'
import { type About, list } from './list.js'
import { buildNative, fuzzNative, nativeTargets } from './native.js'
import { Corpus, fuzz } from './run.js'

const names = [...list.map(({ name }) => name), ...nativeTargets.map(({ name }) => `c-${name}`)]
const usage = `Usage: pnpm fuzz [NAME …] [--minutes N] [--seed N] [--keep] [--document FILE]

${list.map(({ name, what }) => `  ${name.padEnd(13)}${what}`).join('\n')}
${nativeTargets.map(({ name, what }) => `  ${`c-${name}`.padEnd(13)}C: ${what}`).join('\n')}

  --minutes N      for all targets together, 5 when left out
  --seed N         of everything random, 1 when left out
  --keep           puts what was learned into the corpora, as small as it can be
  --document FILE  writes the figures between the marks of FILE as well (docs/reliability.md)
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    document: { type: 'string' },
  },
})
const chosen = positionals.length > 0 ? positionals : names
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
if (chosen.some((name) => !names.includes(name)) || !(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(usage)
  process.exit(2)
}

const seconds = Math.max(1, Math.round((60 * minutes) / chosen.length))
const header = ['target', 'runs', 'seconds', 'inputs kept', 'branches', 'crashes']
let crashes = 0

async function inTypeScript(about: About, bundle: Bundle): Promise<string[]> {
  const corpus = new Corpus(about.name)
  const grown = await fuzz(about, bundle, corpus.read(), { seed, ms: 1000 * seconds, minimise: values.keep })
  if (grown.crash) {
    crashes++
    corpus.add(grown.crash.input)
    process.stderr.write(`${about.name}, kept in its corpus: ${grown.crash.error}\n`)
  } else if (values.keep) corpus.replace(grown.corpus)
  const own = bundle.points.flatMap(({ file }, point) => (about.covers.includes(file) ? [point] : []))
  const share = own.filter((point) => grown.reached.has(point)).length / own.length
  return [
    about.name,
    String(grown.executions),
    String(Math.round(grown.time / 1000)),
    String(values.keep ? grown.corpus.length : corpus.read().length),
    `${(100 * share).toFixed(1)} %`,
    grown.crash ? '1' : '0',
  ]
}

function inC(name: string, work: string): string[] {
  const result = fuzzNative(name, work, seconds, seed, values.keep)
  crashes += result.crashes.length
  for (const crash of result.crashes) process.stderr.write(`c-${name}: ${join(work, 'found', name, crash)}\n`)
  const { executions, corpus, branches } = result
  return [`c-${name}`, String(executions), String(seconds), String(corpus), branches, String(result.crashes.length)]
}

/** Shown as it comes, for people who wait. */
function tell(row: string[]): string[] {
  process.stderr.write(`${row.join('  ')}\n`)
  return row
}

const rows: string[][] = []
const ts = list.filter(({ name }) => chosen.includes(name))
const c = nativeTargets.filter(({ name }) => chosen.includes(`c-${name}`))
if (ts.length > 0) {
  const bundle = await bundleWorker()
  for (const about of ts) {
    process.stderr.write(`${about.name}, ${seconds} s\n`)
    rows.push(tell(await inTypeScript(about, bundle)))
  }
}
if (c.length > 0) {
  const work = mkdtempSync(join(tmpdir(), 'usmp-fuzz-'))
  buildNative(work)
  for (const { name } of c) {
    process.stderr.write(`c-${name}, ${seconds} s\n`)
    rows.push(tell(inC(name, work)))
  }
}
const text = `Seed ${seed}, Node ${process.version}.\n\n${table(header, rows)}`
process.stdout.write(`${text}\n`)
if (values.document) writeBetweenMarks(values.document, 'fuzz', text)
process.exit(crashes > 0 ? 1 : 0)
