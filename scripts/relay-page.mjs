// A relay on this machine and a page that meets others there: installs, builds, and starts it. `npm run relay-page [-- OPTIONS]`
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('demos')
await foreground('packages/demos/dist/relay/main.js', process.argv.slice(2))
