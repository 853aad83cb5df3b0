import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Builds the program from the sources of all its packages, so that what is tested is what stands there now. */
export default async function setup(): Promise<void> {
  process.chdir(here('..'))
  await build({
    config: false,
    entry: ['src/cli.ts'],
    format: ['esm'],
    target: 'node20',
    outDir: 'build',
    noExternal: [/^@usmp\//, /^@noble\//],
    external: ['ws', 'serialport'],
    sourcemap: true,
    silent: true,
  })
}
