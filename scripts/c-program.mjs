import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root } from './pnpm.mjs'
import { lacking, packagesOf } from './tools.mjs'

/** Not where the tests build: those keep their settings. */
const FOLDER = join(root, 'firmware-c/build/programs')
/** Of the output of a tool that failed. */
const MOST_LINES = 20

/**
 * A program of the C core, built without its tests. Says what it does, and where that does not work, why.
 * @param target of CMake; @param what it is for people, e.g. "the robot"; @param needs tools besides compiler, CMake and
 * cryptography, by their names in tools.mjs
 * @returns its path; undefined if the program in TypeScript must do
 */
export function buildInC(target, what, needs = []) {
  const [reason, remedy] = whyNot(target, needs)
  if (reason === undefined) return join(FOLDER, target)
  console.log(
    `\nLeft out: ${what} in C; the one in TypeScript takes its place.\n  Why: ${reason.replaceAll('\n', '\n  ')}`,
  )
  if (remedy) console.log(`  To add it, on Debian and Ubuntu: ${remedy}`)
  console.log()
  return undefined
}

/** @returns why the program is not there, and what helps */
function whyNot(target, needs) {
  if (process.platform !== 'linux') return [`it is built on Linux only, and this is ${process.platform}`]
  const tools = missing(needs)
  if (tools.length === 0) return [buildTarget(target)]
  return [`this machine lacks ${tools.join(', ')}`, `sudo apt-get install ${packagesOf(tools).join(' ')}`]
}

/** @returns the tools that this machine lacks */
function missing(needs) {
  const crypto = lacking(['mbedtls', 'bearssl']).length === 2 ? ['mbedtls'] : []
  return [...lacking(['compiler', 'cmake', ...needs]), ...crypto]
}

/** @returns why it failed */
function buildTarget(target) {
  if (!existsSync(join(FOLDER, target))) console.log(`Building ${target} in C …`)
  const configured = configure()
  if (configured.failed) return configured.output
  // What a program of ours needs and is not there leaves that program out, and says so.
  const leftOut = configured.output.split('\n').filter((line) => line.includes('left out'))
  const built = tryRun('cmake', ['--build', FOLDER, '--parallel', String(availableParallelism()), '--target', target])
  if (!built.failed && existsSync(join(FOLDER, target))) return undefined
  return leftOut.length > 0 ? leftOut.map((line) => line.replace(/^-- /, '')).join('\n') : built.output
}

/** A folder of another checkout, or of one that has moved since, is of no use: CMake keeps absolute paths. */
function configure() {
  if (existsSync(join(FOLDER, 'CMakeCache.txt')) && !isOurs()) rmSync(FOLDER, { recursive: true })
  const args = ['-S', 'firmware-c', '-B', FOLDER, '-DUSMP_TESTS=OFF']
  const first = tryRun('cmake', args)
  if (!first.failed || !existsSync(FOLDER)) return first
  // It may hold what is not true any more, e.g. a library that was removed, or half of an interrupted attempt.
  rmSync(FOLDER, { recursive: true })
  return tryRun('cmake', args)
}

function isOurs() {
  const cache = readFileSync(join(FOLDER, 'CMakeCache.txt'), 'utf8')
  return /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(cache)?.[1] === realpathSync(join(root, 'firmware-c'))
}

function tryRun(command, args) {
  const { status, error, stdout = '', stderr = '' } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  const lines = `${stdout}${stderr}${error?.message ?? ''}`.trim().split('\n')
  // In English a line of CMake that matters says so; without one the end is what matters.
  const at = lines.findIndex((line) => /\berror\b/i.test(line))
  const failed = status !== 0
  const shown = failed && at >= 0 ? lines.slice(at, at + MOST_LINES) : failed ? lines.slice(-MOST_LINES) : lines
  return { failed, output: shown.join('\n') }
}
