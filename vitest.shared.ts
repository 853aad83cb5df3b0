import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./packages/${path}`, import.meta.url))

/** Tests run against the sources of the sister packages, not against what was built last. */
export const sharedConfig = defineConfig({
  resolve: {
    alias: [
      { find: /^@usmp\/node\/crypto$/, replacement: source('node/src/crypto-node.ts') },
      { find: /^@usmp\/demos\/robolink-contract$/, replacement: source('demos/src/robolink/contract.ts') },
      { find: /^@usmp\/(\w+)$/, replacement: source('$1/src/index.ts') },
      { find: /^@usmp\/(\w+)\/(.*)$/, replacement: source('$1/src/$2.ts') },
    ],
  },
  // A test that waits for what never comes fails by this; a busy machine does not.
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000 },
})
