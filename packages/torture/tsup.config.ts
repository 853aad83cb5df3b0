import { readdirSync } from 'node:fs'
import { defineConfig } from 'tsup'

const hostile = ['scene', 'server', 'good', 'attacker'].map((name) => `src/hostile/${name}.ts`)

export default defineConfig({
  entry: ['src/main.ts', ...readdirSync('src/children').map((file) => `src/children/${file}`), ...hostile],
  outDir: 'dist',
  format: ['esm'],
  target: 'es2022',
  splitting: true,
  clean: true,
})
