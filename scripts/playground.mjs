// Serves the playground, a page in which both ends of a session run, on this machine: `npm run playground [-- PORT]`.
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('playground')
await foreground('packages/playground/serve.mjs', process.argv.slice(2))
