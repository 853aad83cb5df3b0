import { copyFileSync, cpSync } from 'node:fs'
import { defineConfig } from 'tsup'

/** Programs that run as they stand, and what they import. */
const PROGRAMS = ['cable.py', 'lossy-relay-program.mjs', 'random-numbers.mjs']

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/accessibility.ts',
    'src/adapter-suite.ts',
    'src/c-programs.ts',
    'src/cable.ts',
    'src/certificate.ts',
    'src/chromium.ts',
    'src/engines.ts',
    'src/internal.ts',
    'src/manual-peer.ts',
    'src/markdown.ts',
    'src/mosquitto.ts',
    'src/option-suite.ts',
    'src/provider-suite.ts',
    'src/vectors.ts',
  ],
  // Vitest takes nothing else.
  format: ['esm'],
  target: 'es2022',
  platform: 'node',
  // Types of sister packages come from what they publish, not from their sources.
  dts: { banner: '/// <reference lib="esnext.disposable" />', compilerOptions: { types: ['node'], paths: {} } },
  sourcemap: true,
  clean: true,
  treeshake: true,
  onSuccess: async () => {
    for (const program of PROGRAMS) copyFileSync(`src/${program}`, `dist/${program}`)
    cpSync('../../vectors', 'dist/vectors', { recursive: true, filter: isCase })
  },
})

function isCase(path: string): boolean {
  return path.endsWith('vectors') || path.endsWith('.json') || path.endsWith('README.md')
}
