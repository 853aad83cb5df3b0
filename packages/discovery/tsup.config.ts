import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/internal.ts'],
  format: ['esm'],
  target: 'es2022',
  dts: { compilerOptions: { types: ['node'], paths: {} } },
  sourcemap: true,
  clean: true,
  treeshake: true,
})
