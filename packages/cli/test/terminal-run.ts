import { Run } from './usmp.js'

/** Leads a command on a pseudo-terminal; both of its outputs come on stdout. */
const LEADER = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`

/** A run of the program on a terminal: what is written to it is typed, and echoed as terminals do. */
export function onTerminal(...args: readonly string[]): Run {
  return new Run(args, [], ['python3', '-c', LEADER])
}
