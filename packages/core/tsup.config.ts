import { defineConfig, type Options } from 'tsup'

const common: Options = {
  entry: [
    'src/index.ts',
    'src/constants.ts',
    'src/frame.ts',
    'src/crypto-noble.ts',
    'src/options.ts',
    'src/datagram.ts',
    'src/passphrase.ts',
    'src/payload-layout.ts',
    'src/wire-version-1.ts',
    'src/internal.ts',
  ],
  target: 'es2022',
  sourcemap: true,
  splitting: true,
  treeshake: true,
}

// Three builds into one folder at the same time: each removes what is left of its own files alone.
export default defineConfig([
  { ...common, format: 'esm', clean: ['!**/*.cjs', '!**/*.cjs.map'] },
  // noble is ESM only. It is inside, so that a program whose `require` takes no ESM can use it: Jest 29, Electron.
  { ...common, format: 'cjs', clean: ['!**/*.js', '!**/*.js.map'], noExternal: [/^@noble\//] },
  // Types of sister packages come from what they publish, not from their sources.
  {
    ...common,
    format: ['esm', 'cjs'],
    clean: true,
    dts: {
      only: true,
      banner: '/// <reference lib="esnext.disposable" />',
      compilerOptions: { types: ['node'], paths: {} },
    },
  },
])
