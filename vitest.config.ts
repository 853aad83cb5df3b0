import { defineConfig } from 'vitest/config'

/** All packages at once, from the root: `npx vitest run core/arq` for one test, `npx vitest` to watch what changes. */
export default defineConfig({ test: { projects: ['packages/*/vitest.config.ts'] } })
