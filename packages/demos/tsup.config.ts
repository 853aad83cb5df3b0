import { defineConfig } from 'tsup'

export default defineConfig([
  {
    entry: ['src/bank/main.ts'],
    outDir: 'dist/bank',
    format: ['esm'],
    target: 'es2022',
    clean: true,
  },
  {
    entry: ['src/telemetry/main.ts', 'src/telemetry/device.ts'],
    outDir: 'dist/telemetry',
    format: ['esm'],
    target: 'es2022',
    clean: true,
  },
  {
    entry: { main: 'src/relay/main.ts' },
    outDir: 'dist/relay',
    format: ['esm'],
    target: 'es2022',
    // The page is built after it.
    clean: true,
  },
  {
    entry: {
      main: 'src/robolink/main.ts',
      hub: 'src/robolink/hub/main.ts',
      robot: 'src/robolink/robot/main.ts',
      autopilot: 'src/robolink/autopilot/main.ts',
      operator: 'src/robolink/operator/main.ts',
    },
    outDir: 'dist/robolink',
    format: ['esm'],
    target: 'es2022',
    // The page is built after it.
    clean: true,
  },
])
