// The gateway with its page on this machine: installs, builds, and starts it as a first look. `npm run gateway [-- OPTIONS]`
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('dashboard', 'cli')
await foreground('packages/cli/bin/usmp.js', ['gateway', ...process.argv.slice(2)])
