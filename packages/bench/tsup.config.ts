import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/main.ts',
    'src/children/idle-server.ts',
    'src/children/idle-clients.ts',
    'src/children/mqtt-gateway.ts',
    'src/children/mqtt-devices.ts',
    'src/children/relay-server.ts',
    'src/children/relay-bun.ts',
    'src/children/relay-clients.ts',
  ],
  outDir: 'dist',
  format: ['esm'],
  target: 'es2022',
  // Measured as it is published.
  external: [/^@libp2p\//, 'playwright-core', 'selfsigned'],
  splitting: true,
  clean: true,
})
