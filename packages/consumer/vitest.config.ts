import { mergeConfig } from 'vitest/config'
import { sharedConfig } from '../../vitest.shared.ts'

export default mergeConfig(sharedConfig, {
  test: {
    // An installation from a registry, and programs that start.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // The documents name port 9000, and are run as printed.
    fileParallelism: false,
  },
})
