// Holds imports to the order of the packages: no relative path leads from one package into another, packages use each other only
// as the table below allows and as their package.json files say, and the source files of a package do not import each other in a circle.
// Imports of types alone may be circular: they are gone when the program runs.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from './pnpm.mjs'

/** What the sources of a package may import. Arrows run down only: gateway → mqtt, rpc, ota, discovery → node → core. */
const SOURCES = {
  core: [],
  node: ['core'],
  browser: ['core'],
  rpc: ['core'],
  testing: ['core', 'node'],
  mqtt: ['core', 'node'],
  ota: ['core', 'rpc'],
  discovery: ['core', 'node'],
  gateway: ['core', 'node', 'rpc', 'mqtt', 'ota', 'discovery'],
  dashboard: ['gateway'],
  // Its entry for servers imports nothing of the others; a test holds it to that.
  relay: ['core', 'node', 'browser'],
  // All above node as optional peers, which are loaded when a command needs them.
  cli: ['core', 'node', 'ota', 'discovery', 'gateway', 'relay'],
  demos: ['core', 'node', 'browser', 'rpc', 'relay', 'cli'],
  playground: ['core', 'browser'],
  bench: ['core', 'node', 'browser', 'rpc', 'mqtt', 'ota', 'relay', 'testing', 'cli'],
  torture: ['core', 'node', 'rpc', 'mqtt', 'ota', 'gateway', 'relay', 'testing'],
  fuzz: ['core', 'node', 'rpc', 'mqtt', 'ota', 'discovery', 'gateway', 'relay', 'testing'],
  conformance: ['core', 'node', 'browser', 'rpc', 'testing'],
  consumer: [],
}
/** What tests may import besides. */
const TESTS = {
  core: ['testing'],
  node: ['testing'],
  browser: ['node', 'testing'],
  rpc: ['node', 'testing'],
  mqtt: ['testing'],
  ota: ['node', 'mqtt', 'testing'],
  discovery: ['testing'],
  gateway: ['testing'],
  dashboard: ['ota', 'testing'],
  relay: ['rpc', 'testing'],
  cli: ['rpc', 'testing'],
  demos: ['testing'],
  playground: ['testing'],
  conformance: ['demos', 'mqtt', 'ota', 'discovery', 'gateway', 'relay'],
}

/** Imports as Biome formats them: static, for side effects, dynamic, and paths of files beside the module. */
const IMPORTS = [
  /^(?:import|export)(?<names>[^'";]*?) from '(?<path>[^']+)'/gm,
  /^import '(?<path>[^']+)'/gm,
  /\bimport\(\s*'(?<path>[^']+)'/g,
  /\bnew URL\('(?<path>\.[^']+)',\s*import\.meta\.url/g,
]

const faults = []
const files = listFiles()
const known = new Set(files)
const edges = new Map()
for (const file of files) edges.set(file, checkFile(file))
for (const circle of circles()) faults.push(`a circle of imports: ${circle.join(' → ')}`)
for (const fault of faults) console.error(fault)
if (faults.length === 0) console.log(`imports: ${files.length} files keep the order of the packages, without circles`)
process.exit(faults.length > 0 ? 1 : 0)

/** Programs and tests of all packages, as paths from the root. */
function listFiles() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', 'packages']
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  const wanted = /\.(m?ts|tsx|m?js)$/
  const removed = execFileSync('git', ['ls-files', '--deleted', 'packages'], { cwd: root, encoding: 'utf8' }).split(
    '\n',
  )
  return listed
    .trim()
    .split('\n')
    .filter((file) => wanted.test(file) && !removed.includes(file))
}

function packageOf(file) {
  return /^packages\/([^/]+)\//.exec(file)?.[1]
}

/** Notes what is wrong with the imports of a file. Returns the files of its package that it imports to run. */
function checkFile(file) {
  const text = readFileSync(join(root, file), 'utf8')
  const own = packageOf(file)
  const imported = []
  for (const { groups } of IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)])) {
    const { names, path } = groups
    const [, other, entry] = /^@usmp\/(\w+)(\/.+)?$/.exec(path) ?? []
    if (other) checkArrow(file, own, other)
    if (other && !(`.${entry ?? ''}` in manifestOf(other).exports))
      faults.push(`${file} imports ${path}, which is not exported`)
    if (!path.startsWith('.')) continue
    const target = relative(root, join(root, dirname(file), path))
    const targetPackage = packageOf(target)
    if (targetPackage && targetPackage !== own) faults.push(`${file} reaches into another package: ${path}`)
    if (names === undefined || !isTypesOnly(names)) imported.push(sourceOf(target))
  }
  return imported.filter((target) => known.has(target))
}

function checkArrow(file, own, other) {
  if (other === own) return
  const isSource = !/^packages\/[^/]+\/(test\/|\w+\.config\.)/.test(file)
  const allowed = [...SOURCES[own], ...(isSource ? [] : (TESTS[own] ?? []))]
  if (!allowed.includes(other)) faults.push(`${file} may not import @usmp/${other}`)
  const { dependencies, devDependencies } = manifestOf(own)
  const declared = { ...dependencies, ...devDependencies }
  if (!(`@usmp/${other}` in declared)) faults.push(`${file} imports @usmp/${other}, which package.json does not name`)
}

function manifestOf(name) {
  return JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), 'utf8'))
}

/** `import type …`, or braces with types alone. */
function isTypesOnly(names) {
  if (/^\s+type\s/.test(names)) return true
  const inside = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
  return inside?.split(',').every((name) => /^\s*(type\s|$)/.test(name)) ?? false
}

/** A source that is imported by the name of what it compiles to. */
function sourceOf(target) {
  return known.has(target)
    ? target
    : target.replace(/\.js$/, known.has(target.replace(/\.js$/, '.ts')) ? '.ts' : '.tsx')
}

/** Each circle of imports once, from the file where it was met. */
function circles() {
  const found = []
  const done = new Set()
  const path = []
  const visit = (file) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file])
    if (path.includes(file) || done.has(file)) return
    path.push(file)
    for (const target of edges.get(file)) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of files) visit(file)
  return found
}
