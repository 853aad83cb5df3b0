// Everything that has to be right, from a fresh checkout on. `npm test -- core node` runs only the named steps.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, install, pnpm, run } from './pnpm.mjs'

const inCi = Boolean(process.env.CI)
const wanted = process.argv.slice(2)
let passed = 0
let failed = 0

/** One tool that says yes or no. */
function check(command, args) {
  const status = run(command, args)
  if (status === 0) passed++
  else failed++
}

function pnpmCheck(...args) {
  if (pnpm(args, { mayFail: true }) === 0) passed++
  else failed++
}

/** The tests of one package; each counts. */
function vitest(folder, ...args) {
  const report = join(tmpdir(), `usmp-${folder.replaceAll('/', '-')}-${process.pid}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const status = pnpm(['--dir', `packages/${folder}`, 'exec', 'vitest', 'run', ...reporters, ...args], {
    mayFail: true,
  })
  let counts = { numPassedTests: 0, numFailedTests: 0 }
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'))
  } catch (error) {
    console.error(`no report of ${folder}: ${error.message}`)
  }
  rmSync(report, { force: true })
  passed += counts.numPassedTests
  failed += counts.numFailedTests
  // A runner can fail without a failed test: a file that does not load, or no test at all.
  if (status !== 0 && counts.numFailedTests === 0) failed++
}

/** A tool chain that not every machine has. In CI it must be there; elsewhere its absence is said. */
function available(tool, what) {
  const found = run('sh', ['-c', `command -v ${tool} >/dev/null`]) === 0
  if (found) return true
  console.error(`NOT RUN: ${what}, because ${tool} is not on this machine (.ci/run shows what to install)`)
  if (inCi) failed++
  return false
}

/** Tests of serial ports lead pseudo-terminals by python3. */
function withoutPython(file) {
  return available('python3', file) ? [] : ['--exclude', file]
}

/** Tests that compile a program in C. */
function withoutCmake(file) {
  return available('cmake', file) ? [] : ['--exclude', file]
}

const steps = {
  lint: () => pnpmCheck('exec', 'biome', 'check', '.'),
  types: () => pnpmCheck('--recursive', 'run', 'typecheck'),
  packages: () => {
    pnpmCheck('run', 'check:packages')
    pnpmCheck('run', 'check:size')
    pnpmCheck('run', 'check:supply-chain')
  },
  vectors: () => {
    check('node', ['vectors/generator/generate.mjs', '--check'])
    check('node', ['vectors/generator/lint.mjs'])
  },
  core: () => vitest('core'),
  node: () => vitest('node', ...withoutPython('test/serial-port.test.ts')),
  rpc: () => vitest('rpc'),
  browser: () =>
    available('chromium', 'a real browser') &&
    vitest('browser', ...withoutPython('test/c-serial.test.ts'), ...withoutCmake('test/c-serial.test.ts')),
  playground: () => available('chromium', 'the playground') && vitest('playground'),
  cli: () => vitest('cli', ...withoutPython('test/places.test.ts')),
  demos: () => {
    const missing = [...withoutPython('test/robolink/serial.test.ts'), ...withoutCmake('test/robolink/c-robot.test.ts')]
    // They mostly wait for programs.
    vitest('demos', '--maxWorkers=2', '--exclude', 'test/page/**', ...missing)
  },
  page: () =>
    available('chromium', 'the operator page') &&
    vitest('demos', 'test/page', ...withoutCmake('test/page/c-robot.test.ts')),
  bench: () => vitest('bench'),
  torture: () => vitest('torture'),
  fuzz: () => available('clang', 'fuzzing') && vitest('fuzz'),
  c: () => available('cmake', 'the C core on this machine') && check('bash', ['firmware-c/tools/check.sh']),
  cross: () =>
    available('qemu-system-riscv32', 'the C core for other processors') &&
    check('bash', ['firmware-c/tests/cross/check.sh']),
  conformance: () => available('python3', 'the published implementations') && vitest('conformance'),
}

const names = wanted.length > 0 ? wanted : Object.keys(steps)
const unknown = names.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; the steps are ${Object.keys(steps).join(', ')}`)
  process.exit(2)
}

/** These need no package of ours. In a run of everything a process of their own takes them meanwhile. */
const besides = ['c', 'cross']

/** Starts steps in a process of their own; the result prints what it said, and counts. */
function startBesides() {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-test-'))
  const path = join(folder, 'output')
  const output = openSync(path, 'w')
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...besides], {
    stdio: ['ignore', output, output],
  })
  const ended = once(child, 'exit')
  closeSync(output)
  return async () => {
    const [status] = await ended
    const said = readFileSync(path, 'utf8')
    rmSync(folder, { recursive: true })
    const counts = said.match(/(\d+) passed, (\d+) failed\n$/)
    console.log(said)
    passed += Number(counts?.[1] ?? 0)
    failed += Number(counts?.[2] ?? 0)
    if (status !== 0 && !Number(counts?.[2])) failed++
  }
}

const finishBesides = wanted.length === 0 ? startBesides() : undefined
const here = finishBesides ? names.filter((name) => !besides.includes(name)) : names
if (here.some((name) => !besides.includes(name))) {
  install()
  build()
}
for (const name of here) {
  const before = failed
  const start = Date.now()
  console.log(`\n━━ ${name}`)
  steps[name]()
  console.log(`━━ ${name}: ${failed > before ? 'FAILED' : 'ok'} after ${Math.round((Date.now() - start) / 1000)} s`)
}
await finishBesides?.()
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
