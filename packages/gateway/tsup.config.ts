import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    contract: 'src/contract.ts',
    internal: 'src/internal.ts',
    program: 'src/program.ts',
    simulator: 'src/simulator.ts',
  },
  format: ['esm'],
  target: 'es2022',
  dts: { compilerOptions: { types: ['node'], paths: {} } },
  sourcemap: true,
  // The page is built into this folder by @usmp/dashboard, afterwards.
  clean: ['dist/**', '!dist/page/**'],
  treeshake: true,
})
