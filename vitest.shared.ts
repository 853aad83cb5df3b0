import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./packages/${path}`, import.meta.url))

/** From the root a filter may name a package and a test: `npx vitest run core/arq` runs packages/core/test/arq.test.ts. */
const packageFilters: Plugin = {
  name: 'package-filters',
  configureVitest({ vitest, project }) {
    const { root } = project.config
    if (root === vitest.config.root) return
    const globTestFiles = project.globTestFiles.bind(project)
    const prefix = `${basename(root)}/`
    project.globTestFiles = (filters = []) =>
      globTestFiles(filters.map((filter) => (filter.startsWith(prefix) ? filter.slice(prefix.length) : filter)))
  },
}

/** Tests run against the sources of the sister packages, not against what was built last. */
export const sharedConfig = defineConfig({
  plugins: [packageFilters],
  resolve: {
    alias: [
      { find: /^@usmp\/node\/crypto$/, replacement: source('node/src/crypto-node.ts') },
      { find: /^@usmp\/demos\/robolink-contract$/, replacement: source('demos/src/robolink/contract.ts') },
      { find: /^@usmp\/(\w+)$/, replacement: source('$1/src/index.ts') },
      { find: /^@usmp\/(\w+)\/(.*)$/, replacement: source('$1/src/$2.ts') },
    ],
  },
  // A test that waits for what never comes fails by this; a busy machine does not.
  test: { include: ['test/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
