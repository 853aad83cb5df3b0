// For the demos of this repository, which behave on a terminal as `usmp` does. Nothing here is promised to anybody; every
// release may change or remove it.
export { ExitCode } from './exit-code.js'
export { readLines } from './lines.js'
export { Output } from './output.js'
export { type Stop, stopOnSignals } from './stop.js'
