// The model-based tests of sessions, of a server and of channels, longer than `npm test` runs them: `pnpm properties`, or `pnpm properties 1000` runs each.
import { build, install, pnpm } from './pnpm.mjs'

const runs = process.argv[2] ?? '150'
if (!/^[1-9]\d*$/.test(runs)) {
  console.error(`"${runs}" is no number of runs`)
  process.exit(2)
}

install()
build()
const tests = {
  core: 'test/session.model.test.ts',
  node: 'test/server.model.test.ts',
  relay: 'test/channel/channel.model.test.ts',
}
const failed = Object.entries(tests).filter(([folder, file]) => {
  const env = { ...process.env, USMP_MODEL_RUNS: runs }
  return pnpm(['--dir', `packages/${folder}`, 'exec', 'vitest', 'run', file], { mayFail: true, env }) !== 0
})
process.exit(failed.length > 0 ? 1 : 0)
