// What has to be right, from a fresh checkout on, in steps. `npm test` takes those of the first tier, in minutes; `npm run test:all`
// those of the second; `npm test -- core node` only the named ones. What takes longer still is in long.mjs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, install, pnpm, run } from './pnpm.mjs'
import { lacking, packagesOf } from './tools.mjs'

const inCi = Boolean(process.env.CI)
const wanted = process.argv.slice(2)
let passed = 0
let failed = 0
/** Of the tests that failed, for the last lines. */
const red = []
/** Lines of the reason that are told there; the whole one stands where the test ran. */
const REASON = 12

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

/** What was left out, as `part: tools it needs`. */
const leftOut = new Map()

/** Whether this machine has the tools of a part. In CI they must be there; elsewhere the part is left out, and named at the end. */
function has(part, needs) {
  const missing = lacking(needs)
  if (missing.length === 0) return true
  leftOut.set(part, missing)
  if (inCi) failed++
  return false
}

/** The tests of one package; each counts. `files` are those that need tools, as `pattern: tools`. */
function vitest(folder, { files = {}, args = [], exclude: others = [] } = {}) {
  const missing = Object.entries(files).filter(([file, needs]) => !has(`${folder}/${file}`, needs))
  const report = join(tmpdir(), `usmp-${folder.replaceAll('/', '-')}-${process.pid}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const exclude = [...missing.map(([file]) => file), ...others].flatMap((file) => ['--exclude', `test/${file}`])
  const status = pnpm(['--dir', `packages/${folder}`, 'exec', 'vitest', 'run', ...reporters, ...args, ...exclude], {
    mayFail: true,
  })
  let counts = { numPassedTests: 0, numFailedTests: 0, testResults: [] }
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'))
  } catch (error) {
    console.error(`no report of ${folder}: ${error.message}`)
  }
  for (const { assertionResults } of counts.testResults) {
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== 'failed') continue
      const reason = failureMessages.join('\n').split('\n').slice(0, REASON)
      red.push([`${folder}: ${fullName}`, ...reason].join('\n    '))
    }
  }
  rmSync(report, { force: true })
  passed += counts.numPassedTests
  failed += counts.numFailedTests
  // A runner can fail without a failed test: a file that does not load, or no test at all.
  if (status !== 0 && counts.numFailedTests === 0) failed++
}

/** Programs of the C core on this machine. */
const c = ['compiler', 'cmake', 'mbedtls', 'bearssl', 'jsmn']
const chip = [...c, 'riscv', 'sources']
const wasm = ['webassembly', 'sources', 'python']
const peers = ['python', 'venv']
/** One cross-play of each kind: C over a stream, a WebSocket, datagrams and a serial line, and the published peers. */
const interop = {
  'c-core.test.ts': c,
  'c-udp.test.ts': c,
  'c-ws.test.ts': [...c, 'libwebsockets'],
  'c-mqtt.test.ts': [...c, 'mosquitto', 'libmosquitto'],
  'c-robot-serial.test.ts': c,
  'published-peers.test.ts': peers,
}

const steps = {
  lint: () => {
    pnpmCheck('exec', 'biome', 'check', '.')
    check('node', ['scripts/constants.mjs', '--check'])
    check('node', ['scripts/check-workflows.mjs'])
    check('node', ['scripts/check-imports.mjs'])
    check('node', ['scripts/check-architecture.mjs'])
  },
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
  testing: () => vitest('testing'),
  // Tests of serial ports lead pseudo-terminals by Python.
  node: () => vitest('node', { files: { 'serial-port.test.ts': ['python'] } }),
  rpc: () => vitest('rpc'),
  mqtt: () =>
    vitest('mqtt', {
      files: { 'mosquitto-*.test.ts': ['mosquitto'] },
      args: ['--maxWorkers=2'],
      exclude: ['embedded-adapter.test.ts'],
    }),
  'mqtt-embedded': () => vitest('mqtt', { args: ['test/embedded-adapter.test.ts'] }),
  // Other programs read and make keys and signatures of publishers.
  ota: () => vitest('ota', { files: { 'mosquitto-*.test.ts': ['mosquitto'], 'publisher-key.test.ts': ['openssl'] } }),
  discovery: () => vitest('discovery', { files: { 'namespaces.test.ts': ['namespaces', 'zeroconf'] } }),
  gateway: () => {
    const files = {
      '**/mosquitto-*.test.ts': ['mosquitto'],
      // A serial line, and calls of the system that fail.
      'core/carriers.test.ts': ['python'],
      'store-crash.test.ts': ['compiler'],
    }
    vitest('gateway', { files, args: ['--maxWorkers=2'] })
  },
  relay: () => {
    const files = {
      'peer/chromium.test.ts': ['chromium'],
      'peer/firefox.test.ts': ['firefox'],
      'peer/webkit.test.ts': ['webkit'],
    }
    vitest('relay', { files, args: ['--maxWorkers=2'] })
  },
  browser: () =>
    vitest('browser', {
      files: { 'chromium.test.ts': ['chromium'], 'c-serial.test.ts': ['chromium', 'python', ...c] },
    }),
  playground: () => vitest('playground'),
  // Its tests mostly wait for programs, as those of the demos.
  cli: () => {
    const files = {
      'places.test.ts': ['python'],
      'relay-terminal.test.ts': ['python'],
      'ota.test.ts': ['openssl', 'python'],
    }
    vitest('cli', { files, args: ['--maxWorkers=3'] })
  },
  // The guide of the gateway calls its API by curl.
  consumer: () =>
    vitest('consumer', { files: { 'gateway.test.ts': ['chromium'], 'documents.test.ts': ['curl', 'openssl'] } }),
  demos: () => {
    const files = {
      'robolink/serial.test.ts': ['python'],
      'robolink/c-robot.test.ts': c,
      'robolink/c-robot-ws.test.ts': [...c, 'libwebsockets'],
      'robolink/stop.test.ts': [...c, 'python'],
      'npm-start.test.ts': c,
    }
    vitest('demos', { files, args: ['--maxWorkers=2', '--exclude', 'test/page/**', '--exclude', 'test/relay-page/**'] })
  },
  page: () => vitest('demos', { files: { 'page/c-robot.test.ts': c }, args: ['test/page'] }),
  'relay-page': () => {
    const files = { 'relay-page/firefox.test.ts': ['firefox'], 'relay-page/webkit.test.ts': ['webkit'] }
    vitest('demos', { files, args: ['test/relay-page', '--maxWorkers=2'] })
  },
  dashboard: () => {
    const files = { 'firefox.test.ts': ['firefox'], 'webkit.test.ts': ['webkit'] }
    vitest('dashboard', { files, args: ['--maxWorkers=2'] })
  },
  bench: () => vitest('bench'),
  torture: () => vitest('torture', { files: { 'gateway.test.ts': ['mosquitto'] } }),
  fuzz: () => vitest('fuzz', { files: { 'corpus.test.ts': wasm } }),
  'c-host': () => check('sh', ['firmware-c/tools/check.sh', 'host']),
  c: () => check('sh', ['firmware-c/tools/check.sh', 'all']),
  cross: () => check('bash', ['firmware-c/tests/cross/check.sh']),
  interop: () => vitest('conformance', { files: interop, args: Object.keys(interop).map((file) => `test/${file}`) }),
  conformance: () =>
    vitest('conformance', {
      files: {
        'c-*.test.ts': c,
        'c-discovery-namespaces.test.ts': ['namespaces', 'python'],
        'c-relay.test.ts': ['libwebsockets'],
        'c-ota*.test.ts': ['libsodium'],
        'c-ota-mqtt.test.ts': ['mosquitto', 'libmosquitto'],
        'c-sensor-mqtt.test.ts': ['mosquitto', 'libmosquitto'],
        'udp-restart.test.ts': c,
        'differential.test.ts': wasm,
        'model.test.ts': ['maude'],
        'matrix.test.ts': [...chip, 'chromium'],
        'rv32*.test.ts': chip,
        'rv32-ota.test.ts': ['python'],
        'wycheproof.test.ts': ['cargo', 'python'],
      },
      exclude: Object.keys(interop),
    }),
}

/** The two tiers. Together they are everything, and no step is in both. */
const first = [
  'lint',
  'types',
  'vectors',
  'core',
  'testing',
  'node',
  'rpc',
  'mqtt',
  'ota',
  'discovery',
  'gateway',
  'relay',
  'cli',
  'c-host',
  'interop',
]
const tiers = { first, second: Object.keys(steps).filter((name) => !first.includes(name)) }

/** Tools without which a step is left out. */
const needs = {
  playground: ['chromium'],
  page: ['chromium'],
  'relay-page': ['chromium'],
  dashboard: ['chromium'],
  'c-host': ['compiler', 'cmake', 'mbedtls', 'bearssl', 'libsodium', 'jsmn', 'cmocka', 'python'],
  c: ['compiler', 'cmake', 'mbedtls', 'bearssl', 'libsodium', 'python'],
  cross: [...c, ...wasm, 'libsodium', 'riscv', 'xtensa', 'arm', 'kconfig', 'cargo'],
  interop: peers,
  conformance: peers,
}
/** Tools without which a step does less; it says so itself. */
const wants = { c: ['jsmn', 'cmocka', 'clang', 'clang-format', 'valgrind', 'cppcheck', 'riscv', 'xtensa', 'arm'] }

const names = wanted.length > 0 ? wanted.flatMap((name) => tiers[name] ?? name) : first
const unknown = names.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(
    `unknown: ${unknown.join(', ')}; the steps are ${Object.keys(steps).join(', ')}, and there are the tiers ${Object.keys(tiers).join(', ')}`,
  )
  process.exit(2)
}

/** Compilers and emulators; they need no package of ours. */
const withoutPackages = ['c-host', 'c', 'cross']
/** In a run of a tier a process of their own takes these meanwhile, one after another; both processes have about as much to do. */
const besides = [...withoutPackages, 'bench', 'torture', 'fuzz']

/** Starts steps in a process of their own; the result prints what it said, and counts. */
function startBesides(names) {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-test-'))
  const path = join(folder, 'output')
  const output = openSync(path, 'w')
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...names], {
    stdio: ['ignore', output, output],
    env: { ...process.env, USMP_BUILT: 'yes' },
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
    const told = /\nFailed:\n {2}([\s\S]*?)\n\n/.exec(said)?.[1]
    if (told) red.push(told)
  }
}

const possible = names.filter((name) => has(name, needs[name] ?? []))
for (const name of possible) if (wants[name]) has(`${name}, in part`, wants[name])
const isTier = wanted.every((name) => name in tiers)
const meanwhile = isTier ? possible.filter((name) => besides.includes(name)) : []
const here = possible.filter((name) => !meanwhile.includes(name))
if (!process.env.USMP_BUILT && possible.some((name) => !withoutPackages.includes(name))) {
  install()
  build()
}
const finishBesides = meanwhile.length > 0 ? startBesides(meanwhile) : undefined
const begun = Date.now()
for (const name of here) {
  const before = failed
  const start = Date.now()
  console.log(`\n━━ ${name}`)
  steps[name]()
  if (failed > before) red.push(`step ${name}`)
  console.log(`━━ ${name}: ${failed > before ? 'FAILED' : 'ok'} after ${Math.round((Date.now() - start) / 1000)} s`)
}
await finishBesides?.()
if (leftOut.size > 0) {
  console.log(`\nLeft out, because this machine lacks tools${inCi ? ' (in CI each counts as failed)' : ''}:`)
  for (const [part, missing] of leftOut) console.log(`  ${part}: ${missing.join(', ')}`)
  console.log(
    `On Debian, this adds them: apt-get install --no-install-recommends ${packagesOf([...leftOut.values()].flat()).join(' ')}`,
  )
}
if (red.length > 0) console.log(`\nFailed:\n${red.map((name) => `  ${name}`).join('\n')}`)
console.log(`\n${Math.round((Date.now() - begun) / 1000)} s without installing and building`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
