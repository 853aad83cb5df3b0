import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './pnpm.mjs'

const quiet = { stdio: 'ignore' }
const has = (command) => run('sh', ['-c', `command -v ${command}`], quiet) === 0

/** A program of the C core, if this machine can compile it: that takes CMake, a compiler and a crypto library. */
export function buildInC(target) {
  if (process.platform !== 'linux' || !has('cmake') || !has('cc')) return undefined
  const folder = join(root, 'firmware-c/build')
  const failed =
    run('cmake', ['-S', 'firmware-c', '-B', folder], quiet) ||
    run('cmake', ['--build', folder, '--target', target], quiet)
  const program = join(folder, target)
  return !failed && existsSync(program) ? program : undefined
}
