// Holds docs/architecture.md to the files. Each file has exactly one row that says what it owns, and each row has its file. A name that
// only one of the two cores has stands under "Without a twin", with the reason.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './pnpm.mjs'

const PAGE = 'docs/architecture.md'
/** Whose files the page lists. */
const FOLDERS = [
  'packages/*/src',
  'firmware-c/src',
  'firmware-c/api',
  'firmware-c/include',
  'firmware-c/crypto',
  'firmware-c/ports',
  'firmware-c/rpc',
  'firmware-c/mqtt',
  'firmware-c/ws',
  'firmware-c/discovery',
  'firmware-c/ota',
  'scripts',
]
const WITHOUT_TWIN = 'Without a twin'

const files = listFiles()
const sections = readSections()
const faults = [...checkRows(), ...checkTwins()]
for (const fault of faults) console.error(fault)
if (faults.length === 0) console.log(`architecture: ${files.length} files, each with its row`)
process.exit(faults.length > 0 ? 1 : 0)

function listFiles() {
  const globs = FOLDERS.map((folder) => `:(glob)${folder}/**`)
  const git = (...args) => execFileSync('git', ['ls-files', ...args, ...globs], { cwd: root, encoding: 'utf8' })
  const removed = git('--deleted').split('\n')
  const listed = git('--cached', '--others', '--exclude-standard').trim().split('\n')
  return listed.filter((file) => !removed.includes(file))
}

/** The names in the rows of each section, by its heading. A heading that is a folder in backticks lists the files of this folder. */
function readSections() {
  const found = new Map()
  for (const section of readFileSync(join(root, PAGE), 'utf8').split(/^#+ /m)) {
    const [heading] = section.split('\n')
    const rows = [...section.matchAll(/^\| (`[^|]+`) \| .*\w.* \|$/gm)]
    const names = rows.flatMap(([, cell]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
    found.set(heading, names)
  }
  return found
}

function checkRows() {
  const rows = [...sections].flatMap(([heading, names]) => {
    const folder = /^`(.+)`$/.exec(heading)?.[1]
    return folder ? names.map((name) => `${folder}/${name}`) : []
  })
  return [
    ...files.filter((file) => !rows.includes(file)).map((file) => `${PAGE} has no row for ${file}`),
    ...rows
      .filter((file) => !files.includes(file))
      .map((file) => `${PAGE} has a row for ${file}, which does not exist`),
    ...rows.filter((file, index) => rows.indexOf(file) < index).map((file) => `${PAGE} has a second row for ${file}`),
  ]
}

function checkTwins() {
  const inTypeScript = namesIn('packages/core/src/')
  const inC = namesIn('firmware-c/src/', 'firmware-c/api/', 'firmware-c/include/')
  const explained = sections.get(WITHOUT_TWIN) ?? []
  const alone = (names, others) => [...names].filter((name) => !others.has(name) && !explained.includes(name))
  return [
    ...alone(inTypeScript, inC).map(
      (name) => `${name} of packages/core has no twin in C, and ${PAGE} does not say why`,
    ),
    ...alone(inC, inTypeScript).map(
      (name) => `${name} of firmware-c has no twin in TypeScript, and ${PAGE} does not say why`,
    ),
    ...explained
      .filter((name) => inTypeScript.has(name) === inC.has(name))
      .map(
        (name) =>
          `${name} is under "${WITHOUT_TWIN}" of ${PAGE}, and ${inC.has(name) ? 'has a twin' : 'does not exist'}`,
      ),
  ]
}

/** What the files of folders are called in both cores: `handshake/client.ts` and `handshake_client.c` are both `handshake-client`. */
function namesIn(...folders) {
  const inner = folders.flatMap((folder) =>
    files.filter((file) => file.startsWith(folder)).map((file) => file.slice(folder.length)),
  )
  return new Set(
    inner.map((file) =>
      file
        .replace(/^usmp\//, '')
        .replace(/\.\w+$/, '')
        .replaceAll(/[_/]/g, '-'),
    ),
  )
}
