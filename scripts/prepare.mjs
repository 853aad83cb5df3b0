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
 * Installs what the lock file names, and builds packages of this repository with those that they need: only what is not there
 * or has changed. It can take minutes, so it says what it does. Ends this process if it fails.
 * @param names without their scope
 */
export async function prepare(...names) {
  const manifests = readdirSync(join(root, 'packages')).map((folder) => `packages/${folder}/package.json`)
  const installed = fingerprint(['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests])
  if (recorded('installed') !== installed) {
    console.log('Installing what the lock file names; the first time takes a minute …')
    install()
    record('installed', installed)
  }
  const needed = neededBy(names)
  const sources = fingerprint(['tsconfig.base.json', ...needed.flatMap(sourcesOf)])
  const isThere = needed.every((folder) => !isBuilt(folder) || existsSync(join(root, outputOf(folder))))
  const built = names.join('-')
  if (isThere && recorded(built) === sources) return
  console.log('Building; the first time takes a minute …')
  await build(names)
  record(built, sources)
}

/** Builds them, those that they need first; a line for each. */
async function build(names) {
  const [command, ...first] = pnpmCommand
  const wanted = names.flatMap((name) => ['--filter-prod', `@usmp/${name}...`])
  const options = ['--workspace-concurrency=2', '--reporter=append-only']
  const child = spawn(command, [...first, ...wanted, ...options, 'run', 'build'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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

/** The folders of packages and of those that they need. */
function neededBy(names, found = new Set()) {
  for (const name of names) {
    const folder = `packages/${name}`
    if (found.has(folder)) continue
    found.add(folder)
    const scoped = Object.keys(manifest(folder).dependencies ?? {}).filter((needed) => needed.startsWith('@usmp/'))
    neededBy(
      scoped.map((needed) => needed.slice('@usmp/'.length)),
      found,
    )
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
