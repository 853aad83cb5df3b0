// RoboLink on this machine: installs, builds, and starts a hub, a robot and an autopilot. `npm start [-- OPTIONS]`
import { buildInC } from './c-program.mjs'
import { foreground } from './foreground.mjs'
import { build, install } from './pnpm.mjs'

console.log('Installing and building; the first time takes a minute …')
install()
build()
const robot = buildInC('robolink-robot')
if (!robot) {
  console.log(
    'The robot is the one in TypeScript; with CMake, a C compiler and libmbedtls-dev it would be the one in C.',
  )
}
const args = [...(robot ? ['--robot', robot] : []), ...process.argv.slice(2)]
await foreground('packages/demos/dist/robolink/main.js', args)
