import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { instrument, type Point } from './instrument.js'

export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What is fuzzed. Programs around it, tests and targets are not counted. */
const COUNTED = /packages\/(core|rpc|mqtt|ota|discovery|gateway|relay)\/src\/[\w/-]+\.ts$/

export interface Bundle {
  /** The worker as one file. */
  readonly file: string
  readonly points: readonly Point[]
}

/** The worker with its targets and the instrumented sources that they test. */
export async function bundleWorker(): Promise<Bundle> {
  const points: Point[] = []
  const file = join(root, `packages/fuzz/dist/worker-${process.pid}.mjs`)
  const counted: Plugin = {
    name: 'counted',
    setup({ onLoad }) {
      onLoad({ filter: COUNTED }, ({ path }) => ({
        contents: instrument(readFileSync(path, 'utf8'), relative(root, path), points),
        loader: 'ts',
      }))
    },
  }
  await build({
    entryPoints: [join(root, 'packages/fuzz/src/worker.ts')],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    tsconfig: join(root, 'tsconfig.base.json'),
    external: ['libsodium'],
    // For dependencies in CommonJS.
    banner: { js: "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)" },
    plugins: [counted],
    logLevel: 'warning',
  })
  return { file, points }
}
