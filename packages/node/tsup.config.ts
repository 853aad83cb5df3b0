import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/crypto-node.ts', 'src/key-files.ts', 'src/adapters.ts', 'src/internal.ts'],
  format: ['esm', 'cjs'],
  target: 'es2022',
  // Types of sister packages come from what they publish, not from their sources.
  dts: { banner: '/// <reference lib="esnext.disposable" />', compilerOptions: { types: ['node'], paths: {} } },
  sourcemap: true,
  clean: true,
  treeshake: true,
  // An optional dependency, with native code; tsup leaves out the other kinds by itself.
  external: ['serialport'],
})
