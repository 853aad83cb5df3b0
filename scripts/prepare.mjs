import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { install, pnpmCommand, root } from './pnpm.mjs'

/** What was installed and built last, as fingerprints: where nothing has changed, there is nothing to do. */
const RECORDS = join(root, 'node_modules/.usmp')

/**
 * Installs what the lock file names, and builds a package of this repository with those that it needs: only what is not there
 * or has changed. It can take minutes, so it says what it does. Ends this process if it fails.
 * @param name without its scope
 */
export async function prepare(name) {
  const manifests = readdirSync(join(root, 'packages')).map((folder) => `packages/${folder}/package.json`)
  const installed = fingerprint(['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests])
  if (recorded('installed') !== installed) {
    console.log('Installing what the lock file names; the first time takes a minute …')
    install()
    record('installed', installed)
  }
  const needed = neededBy(name)
  const sources = fingerprint(['tsconfig.base.json', ...needed.flatMap(sourcesOf)])
  const isThere = needed.every((folder) => !isBuilt(folder) || existsSync(join(root, outputOf(folder))))
  if (isThere && recorded(name) === sources) return
  console.log('Building; the first time takes a minute …')
  await build(name)
  record(name, sources)
}

/** Builds it, those that it needs first; a line for each. */
async function build(name) {
  const [command, ...first] = pnpmCommand
  const options = ['--filter-prod', `@usmp/${name}...`, '--workspace-concurrency=2', '--reporter=append-only']
  const child = spawn(command, [...first, ...options, 'run', 'build'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      said.push(line)
      // Of one package alone it is told in another way than of several.
      const [, folder, alone] = /^(packages\/\S+) build\$ |^> @usmp\/(\S+)@\S+ build /.exec(line) ?? []
      if (folder || alone) console.log(`  ${folder ?? `packages/${alone}`}`)
    })
  }
  const [code] = await once(child, 'close')
  if (code === 0) return
  console.error(`${said.join('\n')}\n\nThe build has failed; the lines above say why.`)
  process.exit(code || 1)
}

/** The folders of a package and of those that it needs. */
function neededBy(name, found = new Set()) {
  const folder = `packages/${name}`
  found.add(folder)
  for (const needed of Object.keys(manifest(folder).dependencies ?? {})) {
    if (needed.startsWith('@usmp/')) neededBy(needed.slice('@usmp/'.length), found)
  }
  return [...found]
}

function isBuilt(folder) {
  return manifest(folder).scripts?.build !== undefined
}

/** The page of the gateway is built into the gateway. */
function outputOf(folder) {
  return folder === 'packages/dashboard' ? 'packages/gateway/dist/page' : `${folder}/dist`
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
}

/** Paths of the files that a package is built from. */
function sourcesOf(folder) {
  const beside = ['package.json', 'tsconfig.json', 'tsup.config.ts', 'build.mjs'].map((file) => `${folder}/${file}`)
  const inside = readdirSync(join(root, folder, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  return [...beside.filter((file) => existsSync(join(root, file))), ...inside]
}

function fingerprint(paths) {
  const hash = createHash('sha256').update(process.version)
  for (const path of paths.sort()) hash.update(`${path}\0`).update(readFileSync(join(root, path)))
  return hash.digest('hex')
}

function recorded(name) {
  try {
    return readFileSync(join(RECORDS, name), 'utf8')
  } catch {
    return undefined
  }
}

function record(name, value) {
  mkdirSync(RECORDS, { recursive: true })
  writeFileSync(join(RECORDS, name), value)
}
