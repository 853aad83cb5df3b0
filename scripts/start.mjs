// RoboLink on this machine: installs, builds, and starts a hub, a robot and an autopilot. `npm start [-- OPTIONS]`
import { buildInC } from './c-program.mjs'
import { foreground } from './foreground.mjs'
import { prepare } from './prepare.mjs'

await prepare('demos')
const robot = buildInC('robolink-robot', 'the robot', ['jsmn'])
const args = [...(robot ? ['--robot', robot] : []), ...process.argv.slice(2)]
await foreground('packages/demos/dist/robolink/main.js', args)
