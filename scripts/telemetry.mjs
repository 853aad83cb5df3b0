// A gateway, a device that sends readings of this machine, and the bytes between them: `npm run telemetry`
import { buildInC } from './c-program.mjs'
import { foreground } from './foreground.mjs'
import { build, install } from './pnpm.mjs'

console.log('Installing and building; the first time takes a minute …')
install()
build()
const device = buildInC('telemetry-device')
if (!device) {
  console.log(
    'The device is the one in TypeScript; with CMake, a C compiler and libmbedtls-dev it would be the one in C.',
  )
}
const args = [...(device ? ['--device', device] : []), ...process.argv.slice(2)]
await foreground('packages/demos/dist/telemetry/main.js', args)
