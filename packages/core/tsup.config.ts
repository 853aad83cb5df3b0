import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/frame.ts',
    'src/crypto-noble.ts',
    'src/options.ts',
    'src/datagram.ts',
    'src/passphrase.ts',
  ],
  format: ['esm', 'cjs'],
  target: 'es2022',
  // Types of sister packages come from what they publish, not from their sources.
  dts: { compilerOptions: { types: ['node'], paths: {} } },
  sourcemap: true,
  clean: true,
  splitting: true,
  treeshake: true,
})
