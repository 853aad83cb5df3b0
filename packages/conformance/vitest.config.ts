import { mergeConfig } from 'vitest/config'
import { sharedConfig } from '../../vitest.shared.ts'

export default mergeConfig(sharedConfig, {
  test: {
    globalSetup: ['./test/install-peers.ts'],
    // The published peers keep time with their own clocks; two files at once on two cores would be in each other's way.
    fileParallelism: false,
    // The test runs of the matrix, two programs each.
    maxConcurrency: 4,
  },
})
