// A bank and its customer at a relay, and beside them what the relay sees: installs, builds, and starts it. `npm run relay-demo [-- --once]`
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('demos')
await foreground('packages/demos/dist/bank/main.js', process.argv.slice(2))
