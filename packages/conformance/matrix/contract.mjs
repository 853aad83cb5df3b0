// What the programs in JavaScript share: the command line of README.md, the messages, and the words.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** Where pages come from that a server lets in. */
export const ORIGIN = 'http://matrix.test'

export const sizes = [0, 1, 452, 453, 1808]

/** The options of the contract, and those of `extra`, as a flat object. */
export function readOptions(...extra) {
  const names = ['role', 'transport', 'at', 'psk-file', 'id', 'suite', ...extra]
  const strings = Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
  const { values } = parseArgs({ options: { ...strings, rekey: { type: 'boolean', default: false } } })
  const missing = names.find((name) => values[name] === undefined)
  if (missing !== undefined) throw new Error(`--${missing} is missing`)
  return values
}

export const readPsk = (path) => Uint8Array.from(Buffer.from(readFileSync(path, 'utf8').trim(), 'hex'))

export const message = (size) => Uint8Array.from({ length: size }, (_, i) => (7 * i + size) & 0xff)

export function say(...words) {
  process.stdout.write(`${words.join(' ')}\n`)
}

/** Says how it ended, and ends the program with the exit code for that. */
export function finish(code) {
  process.stdout.write(`closed ${code}\n`, () => process.exit(code === 'CLOSED' ? 0 : 1))
}

/** No program outlives its test. */
export function endWithInput() {
  process.stdin.resume().once('end', () => process.exit(1))
}
