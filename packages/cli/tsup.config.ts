import { cpSync } from 'node:fs'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/cli.ts', 'src/internal.ts'],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  treeshake: true,
  // `usmp vectors check` has the cases with it.
  onSuccess: async () => cpSync('../../vectors', 'dist/vectors', { recursive: true, filter: isCase }),
})

function isCase(path: string): boolean {
  return path.endsWith('vectors') || path.endsWith('.json')
}
