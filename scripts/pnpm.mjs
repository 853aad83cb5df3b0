import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url))

const { packageManager, engines } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
const wanted = packageManager.split('@')[1]
const [needMajor, needMinor] = engines.node.match(/\d+/g).map(Number)
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < needMajor || (major === needMajor && minor < needMinor)) {
  console.error(`This project needs Node ${engines.node}; this is ${process.versions.node}.`)
  process.exit(1)
}

/** pnpm as it is pinned: the one on PATH if it is that version, else the one that npx brings. */
export const pnpmCommand = (() => {
  const found = spawnSync('pnpm', ['--version'], { encoding: 'utf8', cwd: root })
  return found.stdout?.trim() === wanted ? ['pnpm'] : ['npx', '--yes', `pnpm@${wanted}`]
})()

/** Runs a command in the root and returns its exit status; its output goes to ours unless `options` say otherwise. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (result.error) throw result.error
  return result.status ?? 1
}

/** Runs pnpm; ends this process if it fails and `mayFail` is not set. */
export function pnpm(args, { mayFail = false, ...options } = {}) {
  const [command, ...first] = pnpmCommand
  const status = run(command, [...first, ...args], options)
  if (status !== 0 && !mayFail) {
    console.error(`\nfailed: pnpm ${args.join(' ')}`)
    process.exit(status)
  }
  return status
}

/** Installs what the lock file names. */
export function install() {
  pnpm(['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only', '--loglevel=warn'])
}

/** Every package in the order of what they need to run: tests of the core need @usmp/testing, which needs the core. */
const IN_ORDER = ['--filter-prod', './packages/*']

/** Builds every package, those that others need first. */
export function build() {
  pnpm([...IN_ORDER, '--workspace-concurrency=2', '--loglevel=warn', 'run', 'build'], {
    stdio: ['inherit', 'ignore', 'inherit'],
  })
}
