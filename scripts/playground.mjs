// Serves the playground, a page in which both ends of a session run, on this machine: `npm run playground [-- PORT]`.
import { build, install, run } from './pnpm.mjs'

install()
build()
process.exit(run('node', ['packages/playground/serve.mjs', ...process.argv.slice(2)]))
