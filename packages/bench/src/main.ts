// Measures USMP beside its limits and its peers.
// Usage: node main.js [--only ID,…] [--json FILE] [--check] [--document FILE] [--minimal]
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { benches } from './benches/all.js'
import { findBun } from './benches/relay.js'
import { findWorse } from './check.js'
import { describeMachine } from './machine.js'
import { insertRun, renderReport, renderTable } from './markdown.js'
import type { Report, Table } from './report.js'
import { runBench } from './run.js'

/** The run of the last `--json packages/bench/recorded.json`. */
const RECORDED = new URL('../recorded.json', import.meta.url)

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    /** Compares with the run that the repository keeps. */
    check: { type: 'boolean', default: false },
    document: { type: 'string' },
    /** Everything once and as short as can be: shows that it works, not how fast. */
    minimal: { type: 'boolean', default: false },
  },
})
const effort = options.minimal ? { rounds: 1, turn: 0, minimal: true } : { rounds: 25, turn: 30, minimal: false }

const wanted = options.only?.split(',') ?? benches.map(({ id }) => id)
const unknown = wanted.filter((id) => !benches.some((bench) => bench.id === id))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${benches.map(({ id }) => id).join(', ')}`)
  process.exit(2)
}

/** On a terminal one line that changes, in a file one line for each. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
}

const tables: Table[] = []
const leftOut: string[] = []
for (const bench of benches.filter(({ id }) => wanted.includes(id))) {
  const reason = bench.missing?.()
  if (reason) {
    leftOut.push(`${bench.title}: ${reason}.`)
    continue
  }
  const table = await runBench(bench, effort, progress)
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  process.stdout.write(`${renderTable(table)}\n\n`)
  tables.push(table)
}

if (!process.env.USMP_PYTHON) {
  leftOut.push(
    'the published Python package, as `USMP_PYTHON` does not name the interpreter of an environment that has it.',
  )
}

if (!findBun()) leftOut.push('the WebSocket server of Bun, as there is no program `bun` in PATH.')

const report: Report = {
  date: new Date().toISOString(),
  command: options.only ? `pnpm bench --only ${options.only}` : 'pnpm bench',
  machine: describeMachine(),
  tables,
  notes: leftOut,
}
for (const note of report.notes) process.stdout.write(`Left out: ${note}\n`)
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`)
if (options.document) {
  writeFileSync(options.document, insertRun(readFileSync(options.document, 'utf8'), renderReport(report)))
}
if (options.check) {
  const worse = findWorse(JSON.parse(readFileSync(RECORDED, 'utf8')) as Report, report)
  process.stdout.write(
    worse.length > 0 ? `Worse than recorded:\n${worse.join('\n')}\n` : 'Nothing is worse than recorded.\n',
  )
}
process.exit()
