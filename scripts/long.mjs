// What takes from minutes to an hour each, by hand: `npm run test:long` runs all of it, `npm run test:long -- load soak` a part.
// Figures go into the documents, with their date.
import { build, install, pnpm } from './pnpm.mjs'

const reliability = ['--document', 'docs/reliability.md']
const long = {
  properties: { minutes: 10, what: 'sessions and a server against a naive model', command: ['properties', '1000'] },
  loss: { minutes: 10, what: 'datagrams lost, late, twice', command: ['torture', 'loss', ...reliability] },
  hostile: { minutes: 5, what: 'hostile clients beside good ones', command: ['torture', 'hostile', ...reliability] },
  load: { minutes: 10, what: '10,000 sessions at once', command: ['torture', 'load', ...reliability] },
  faults: { minutes: 15, what: 'processes killed, stopped, cut off', command: ['torture', 'faults', ...reliability] },
  soak: { minutes: 60, what: 'an hour of everything', command: ['torture', 'soak', '--minutes', '60', ...reliability] },
  cover: {
    minutes: 15,
    what: 'messages told from cover',
    command: ['torture', 'cover', '--document', 'docs/relay.md'],
  },
  fuzz: {
    minutes: 20,
    what: 'both cores, alone and side by side',
    command: ['fuzz', '--minutes', '20', ...reliability],
  },
  matrix: {
    minutes: 15,
    what: 'every implementation with every other',
    command: ['--dir', 'packages/conformance', 'run', 'matrix'],
  },
  runtimes: { minutes: 5, what: 'the core on Node 22 and 24, Bun and Deno', command: ['runtimes'] },
  bench: { minutes: 10, what: 'speed, against the recorded run', command: ['bench', '--check'] },
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in long))
if (unknown.length > 0) {
  const rows = Object.entries(long).map(
    ([name, { minutes, what }]) => `  ${name.padEnd(11)}${what}, about ${minutes} minutes`,
  )
  console.error(`unknown: ${unknown.join(', ')}\n\nUsage: npm run test:long -- [NAME …]\n\n${rows.join('\n')}`)
  process.exit(2)
}
install()
build()
const names = wanted.length > 0 ? wanted : Object.keys(long)
const failed = names.filter((name) => {
  console.log(`\n━━ ${name}: ${long[name].what}, about ${long[name].minutes} minutes`)
  return pnpm(long[name].command, { mayFail: true }) !== 0
})
console.log(
  `\n${names.length - failed.length} passed, ${failed.length} failed${failed.map((name) => ` ${name}`).join()}`,
)
process.exit(failed.length > 0 ? 1 : 0)
