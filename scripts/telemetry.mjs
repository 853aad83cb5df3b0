// A gateway, a device that sends readings of this machine, and the bytes between them: `npm run telemetry`
import { buildInC } from './c-program.mjs'
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('demos')
const device = buildInC('telemetry-device', 'the device')
const args = [...(device ? ['--device', device] : []), ...process.argv.slice(2)]
await foreground('packages/demos/dist/telemetry/main.js', args)
