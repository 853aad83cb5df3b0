import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/telemetry/main.ts', 'src/telemetry/device.ts'],
  outDir: 'dist/telemetry',
  format: ['esm'],
  target: 'es2022',
  clean: true,
})
