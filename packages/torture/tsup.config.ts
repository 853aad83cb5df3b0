import { readdirSync } from 'node:fs'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', ...readdirSync('src/children').map((file) => `src/children/${file}`)],
  outDir: 'dist',
  format: ['esm'],
  target: 'es2022',
  splitting: true,
  clean: true,
})
