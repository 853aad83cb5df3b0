import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, type Options } from 'tsup'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What packages of others than this one use stays outside, at the place where they find it: some load files beside them. */
const outside: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'outside',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...args }) => {
      if (
        pluginData === 'seen' ||
        !/packages.(discovery|gateway|mqtt|relay).src/.test(args.importer) ||
        path.startsWith('@usmp/')
      )
        return
      if (path.startsWith('node:')) return { path, external: true }
      const { path: file, errors } = await resolve(path, { ...args, pluginData: 'seen' })
      return errors.length > 0 ? { errors } : { path: file, external: true }
    })
  },
}

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
    esbuildPlugins: [outside],
    sourcemap: true,
    silent: true,
    // esbuild remembers the folder in which it was loaded: from the root that is not this package.
    esbuildOptions: (options) => {
      options.absWorkingDir = here('..')
    },
  })
  cpSync('../../vectors', 'build/vectors', { recursive: true })
}
