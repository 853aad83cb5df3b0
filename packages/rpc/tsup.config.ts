import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/internal.ts'],
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'browser',
  // Types of sister packages come from what they publish, not from their sources.
  dts: { banner: '/// <reference lib="esnext.disposable" />', compilerOptions: { types: [], paths: {} } },
  sourcemap: true,
  clean: true,
  treeshake: true,
})
