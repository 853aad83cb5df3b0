// Shows the project at work: installs, builds, and starts a gateway with a device beside it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, root, run } from './pnpm.mjs'

const quiet = { stdio: 'ignore' }
const has = (command) => run('sh', ['-c', `command -v ${command}`], quiet) === 0

/** The device in C, if this machine can compile it: that takes CMake, a compiler and a crypto library. */
function buildDeviceInC() {
  if (process.platform !== 'linux' || !has('cmake') || !has('cc')) return undefined
  const folder = join(root, 'firmware-c/build')
  const target = 'telemetry-device'
  const failed =
    run('cmake', ['-S', 'firmware-c', '-B', folder], quiet) ||
    run('cmake', ['--build', folder, '--target', target], quiet)
  const program = join(folder, target)
  return !failed && existsSync(program) ? program : undefined
}

console.log('Installing and building; the first time takes a minute …')
install()
build()
const device = buildDeviceInC()
if (!device) {
  console.log(
    'The device is the one in TypeScript; with CMake, a C compiler and libmbedtls-dev it would be the one in C.',
  )
}
const args = [...(device ? ['--device', device] : []), ...process.argv.slice(2)]
process.exit(run('node', ['packages/demos/dist/telemetry/main.js', ...args]))
