// Usage: node main.js NAME … [--short] [--seed N] [--minutes N] [--document FILE]
import { parseArgs } from 'node:util'
import { writeBetweenMarks } from '@usmp/testing/markdown'
import { coverTorture } from './cover/cover.js'
import { faultsTorture } from './faults.js'
import { gatewayTorture } from './gateway.js'
import { hostile } from './hostile/hostile.js'
import { load } from './load.js'
import { loss } from './loss.js'
import { soak } from './soak.js'
import type { Torture } from './torture.js'

const tortures: readonly Torture[] = [loss, hostile, load, faultsTorture, gatewayTorture, coverTorture, soak]

const usage = `Usage: pnpm torture NAME … [--short] [--seed N] [--minutes N] [--document FILE]

${tortures.map(({ name, what }) => `  ${name.padEnd(10)}${what}`).join('\n')}

  --short          the form that the tests run
  --seed N         the first seed of everything random, 1 when left out
  --minutes N      how long the soak goes on, and what cover does in real time, 10 when left out
  --document FILE  writes the figures between the marks of FILE as well (docs/reliability.md)
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
    document: { type: 'string' },
  },
})
const chosen = positionals.map((name) => tortures.find((torture) => torture.name === name))
const seed = Number(values.seed)
const minutes = Number(values.minutes)
if (chosen.length === 0 || chosen.includes(undefined) || !Number.isSafeInteger(seed) || !(minutes > 0)) {
  process.stderr.write(usage)
  process.exit(2)
}
for (const torture of chosen as Torture[]) {
  const progress = (text: string) => process.stderr.write(`${torture.name}: ${text}\n`)
  const text = await torture.run({ short: values.short, seed, minutes, progress })
  process.stdout.write(`${text}\n`)
  if (values.document) writeBetweenMarks(values.document, torture.name, text)
}
