import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Builds the program from the sources of all its packages, so that what is tested is what stands there now. */
export default async function setup(): Promise<void> {
  process.chdir(here('..'))
  await build({
    config: false,
    entry: { cli: 'src/cli.ts', 'vectors-program': 'test/vectors-program.ts' },
    format: ['esm'],
    target: 'node20',
    outDir: 'build',
    noExternal: [/^@usmp\//, /^@noble\//],
    external: ['ws', 'serialport'],
    sourcemap: true,
    silent: true,
    // esbuild remembers the folder in which it was loaded: from the root that is not this package.
    esbuildOptions: (options) => {
      options.absWorkingDir = here('..')
    },
  })
  cpSync('../../vectors', 'build/vectors', { recursive: true })
}
