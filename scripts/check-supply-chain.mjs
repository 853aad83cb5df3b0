// Holds what is taken from others to docs/supply-chain.md: every direct dependency is explained, every licence is one of
// those below, and the lock file names a hash and no address of its own.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pnpmCommand, root } from './pnpm.mjs'

/** Of what users install. */
const SHIPPED = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '(MIT OR Apache-2.0)'])
/** Of what builds and tests besides. */
const TOOLS = new Set([
  ...SHIPPED,
  'MIT OR Apache-2.0',
  'Apache-2.0 OR MIT',
  'BlueOak-1.0.0',
  'MPL-2.0',
  'CC0-1.0',
  '(MIT OR Apache-2.0)',
  '(MIT OR CC0-1.0)',
  // Data about browsers, behind Jest.
  'CC-BY-4.0',
  'Unlicense',
  'Python-2.0',
])

/** Whose manifest does not name the licence that stands beside it. */
const READ_BY_HAND = new Map([['spawndamnit', 'MIT']])

const faults = [...unexplained(), ...licences(['--prod'], SHIPPED), ...licences([], TOOLS), ...lockFile()]
for (const fault of faults) console.error(fault)
if (faults.length === 0) console.log('supply chain: every dependency explained, every licence known, every hash there')
process.exit(faults.length > 0 ? 1 : 0)

function unexplained() {
  const page = readFileSync(join(root, 'docs/supply-chain.md'), 'utf8')
  const names = new Set(manifests().flatMap(direct))
  return [...names]
    .filter((name) => !page.includes(`\`${name}\``))
    .map((name) => `docs/supply-chain.md does not say why ${name}`)
}

function manifests() {
  const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))
  return [root, ...folders].map((folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
}

function direct({ dependencies, devDependencies, peerDependencies, optionalDependencies }) {
  const all = { ...dependencies, ...devDependencies, ...peerDependencies, ...optionalDependencies }
  return Object.keys(all).filter((name) => !name.startsWith('@usmp/'))
}

function licences(scope, allowed) {
  const [command, ...first] = pnpmCommand
  const args = [...first, 'licenses', 'list', '--json', ...scope]
  const found = JSON.parse(execFileSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }))
  return Object.entries(found)
    .flatMap(([licence, packages]) =>
      packages.map(({ name }) => ({ name, licence: READ_BY_HAND.get(name) ?? licence })),
    )
    .filter(({ licence }) => !allowed.has(licence))
    .map(({ name, licence }) => `${name} is under ${licence}, which nobody has looked at`)
}

/** Registry packages with a hash each, and nothing from a repository or an address. */
function lockFile() {
  const lock = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  const packages = lock.slice(lock.indexOf('\npackages:'), lock.indexOf('\nsnapshots:'))
  const entries = packages.match(/^ {2}\S.*:\n(?: {4}.*\n)+/gm) ?? []
  const bare = entries.filter((entry) => !/resolution: \{integrity: sha512-[\w+/=]+\}/.test(entry))
  return [
    ...(entries.length === 0 ? ['the lock file has no packages that this script understands'] : []),
    ...bare.map((entry) => `the lock file has no plain hash for ${entry.split('\n')[0].trim()}`),
    ...(/https?:\/\//.test(lock) ? ['the lock file names an address'] : []),
  ]
}
