import { writeSync } from 'node:fs'

/** A line of JSON for the test, which has left this process when the call returns. */
export function say(what: Record<string, unknown>): void {
  writeSync(1, `${JSON.stringify(what)}\n`)
}
