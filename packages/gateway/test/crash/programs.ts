import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const sources = (path: string) => here(`../../../${path}`)
/** In this package, so that programs find what it depends on. */
const OUT = here(`../../node_modules/.crash-tests-${process.pid}`)

/** Bundles a program of this folder from the sources of all packages. */
export async function bundleProgram(name: string): Promise<string> {
  const path = join(OUT, `${name}.mjs`)
  await build({
    entryPoints: [here(`./${name}.ts`)],
    outfile: path,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['classic-level', 'ws', 'serialport'],
    alias: {
      '@usmp/core': sources('core/src/index.ts'),
      '@usmp/node/key-files': sources('node/src/key-files.ts'),
      '@usmp/rpc': sources('rpc/src/index.ts'),
    },
    logLevel: 'warning',
  })
  return path
}

/** Compiles the library that makes the calls of a program fail. */
export function buildFaults(): string {
  mkdirSync(OUT, { recursive: true })
  const path = join(OUT, 'faults.so')
  execFileSync('cc', [
    '-std=gnu11',
    '-O1',
    '-Wall',
    '-Werror',
    '-shared',
    '-fPIC',
    '-o',
    path,
    here('./faults.c'),
    '-ldl',
  ])
  return path
}

export function removePrograms(): void {
  rmSync(OUT, { recursive: true, force: true })
}

/** What a program has said, and how it ended. */
export interface Run {
  readonly said: readonly Record<string, unknown>[]
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stderr: string
}

/** Runs a program to its end. `onSaid` may kill it. */
export async function run(
  command: readonly string[],
  options: { env?: Record<string, string>; onSaid?: (said: Record<string, unknown>, kill: () => void) => void } = {},
): Promise<Run> {
  const [file, ...args] = command
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  const said: Record<string, unknown>[] = []
  let rest = ''
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  child.stdout.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      said.push(JSON.parse(line))
      options.onSaid?.(said.at(-1)!, () => child.kill('SIGKILL'))
    }
  })
  const [code, signal] = await once(child, 'close')
  return { said, code, signal, stderr }
}
