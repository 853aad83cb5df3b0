import { type ExecFileSyncOptions, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../../../firmware-c', import.meta.url))
/** Where the programs of the C core are built. */
export const cFolder = join(source, 'build')

/** Compiles programs of firmware-c by the names of their targets; costs little when they are there. */
export function buildC(...targets: readonly string[]): void {
  const options: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync('cmake', ['-S', source, '-B', cFolder], options)
  execFileSync('cmake', ['--build', cFolder, '--parallel', '2', '--target', ...targets], options)
}
