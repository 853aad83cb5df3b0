// Holds docs/architecture.md to the files: each file of a package has a row that says what it owns, each row has its file, and a file of one
// core whose name is not in the other one has a reason.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { root } from './pnpm.mjs'

const listed = [
  'packages/*/src/**',
  'firmware-c/src/**',
  'firmware-c/api/**',
  'firmware-c/include/**',
  'firmware-c/crypto/**',
  'firmware-c/ports/**',
  'firmware-c/rpc/**',
  'scripts/**',
]
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', ...listed.map((glob) => `:(glob)${glob}`)],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .trim()
  .split('\n')

const page = readFileSync(`${root}/docs/architecture.md`, 'utf8')
const rows = new Map()
for (const section of page.split(/^### /m).slice(1)) {
  const [, folder] = /^`([^`]+)`/.exec(section) ?? []
  if (!folder) continue
  for (const [, names, text] of section.matchAll(/^\| (`[^|]+`) \| (.*) \|$/gm)) {
    for (const [, name] of names.matchAll(/`([^`]+)`/g)) rows.set(`${folder}/${name}`, text)
  }
}
const [, twins] = page.split(/^### Without a twin/m)
const withoutTwin = new Set(
  [...(twins ?? '').matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names]) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  ),
)

const inTypeScript = names('packages/core/src/')
const inC = names('firmware-c/src/', 'firmware-c/api/', 'firmware-c/include/')
const faults = [
  ...files.filter((file) => !rows.has(file)).map((file) => `docs/architecture.md has no row for ${file}`),
  ...[...rows.keys()]
    .filter((file) => !files.includes(file))
    .map((file) => `docs/architecture.md has a row for ${file}, which is not there`),
  ...[...inTypeScript]
    .filter((name) => !inC.has(name) && !withoutTwin.has(name))
    .map((name) => `${name} of packages/core has no twin in C, and docs/architecture.md does not say why`),
  ...[...inC]
    .filter((name) => !inTypeScript.has(name) && !withoutTwin.has(name))
    .map((name) => `${name} of firmware-c has no twin in TypeScript, and docs/architecture.md does not say why`),
  ...[...withoutTwin]
    .filter((name) => inTypeScript.has(name) === inC.has(name))
    .map((name) => `${name} stands under "Without a twin", and ${inC.has(name) ? 'has one' : 'is not there'}`),
]
for (const fault of faults) console.error(fault)
process.exit(faults.length > 0 ? 1 : 0)

/** What the files of folders are about, spelled as in TypeScript: `handshake/client.ts` and `handshake_client.c` are both `handshake-client`. */
function names(...folders) {
  const found = new Set()
  for (const folder of folders) {
    for (const file of files) {
      if (!file.startsWith(folder)) continue
      const inner = file.slice(folder.length).replace(/^usmp\//, '')
      found.add(inner.slice(0, -extname(inner).length).replaceAll(/[_/]/g, '-'))
    }
  }
  return found
}
