import { UsmpError } from '@usmp/core'
import * as v from 'valibot'
import { deviceId, MAX_CHAT } from '../contract.js'

/** What an operator can say. */
export type Command =
  | { readonly name: 'robots' }
  | { readonly name: 'stop' }
  | { readonly name: 'release' }
  | { readonly name: 'help' }
  | { readonly name: 'quit' }
  | { readonly name: 'watch'; readonly robot: string | undefined; readonly off: boolean }
  | { readonly name: 'drive'; readonly v: number; readonly w: number }
  | { readonly name: 'chat'; readonly text: string }
  | { readonly name: 'rtt'; readonly count: number }
  | { readonly name: 'take'; readonly force: boolean }
  | { readonly name: 'wait'; readonly seconds: number }

export const HELP = `robots            who is there
watch [ID]        shows the telemetry of a robot, which all further commands mean; \`watch off\` ends it
drive V W         drives on at V m/s, turning at W rad/s to the left, until \`stop\`, another \`drive\` or the end
stop              stops; anybody may, no matter who drives
chat TEXT         says something to the robot
rtt [COUNT]       measures round trips to the robot and back, 20 if not said otherwise
take [force]      takes the wheel; by force also from somebody who drives
release           gives it back
wait SECONDS      before the next line is read, for scripts
help, quit`

const DEFAULT_MEASUREMENTS = 20
const MAX_MEASUREMENTS = 10_000
const MAX_WAIT = 86_400

/**
 * What a line says; undefined for an empty one or a comment (`#`).
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseCommand(line: string): Command | undefined {
  const [, word = '', rest = ''] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line)!
  const args = rest === '' ? [] : rest.split(/\s+/)
  switch (word) {
    case '':
      return undefined
    case 'robots':
    case 'stop':
    case 'release':
    case 'help':
    case 'quit':
      expectArguments(word, args, 0)
      return { name: word }
    case 'watch':
      expectArguments(word, args, 0, 1)
      if (args[0] === 'off') return { name: 'watch', robot: undefined, off: true }
      return { name: 'watch', robot: args[0] === undefined ? undefined : parseRobot(args[0]), off: false }
    case 'drive':
      expectArguments(word, args, 2)
      return { name: 'drive', v: parseNumber(args[0]!), w: parseNumber(args[1]!) }
    case 'chat':
      if (rest === '' || rest.length > MAX_CHAT)
        throw wrong(`chat takes 1 to ${MAX_CHAT} characters, not ${rest.length}`)
      return { name: 'chat', text: rest }
    case 'rtt':
      expectArguments(word, args, 0, 1)
      return { name: 'rtt', count: args[0] === undefined ? DEFAULT_MEASUREMENTS : parseCount(args[0]) }
    case 'take':
      expectArguments(word, args, 0, 1)
      if (args[0] !== undefined && args[0] !== 'force') throw wrong(`take takes nothing or \`force\`, not ${args[0]}`)
      return { name: 'take', force: args[0] === 'force' }
    case 'wait':
      expectArguments(word, args, 1)
      return { name: 'wait', seconds: parseSeconds(args[0]!) }
    default:
      return word.startsWith('#') ? undefined : fail(`there is no command ${word}`)
  }
}

/**
 * The id of a robot.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseRobot(text: string): string {
  const id = text.toLowerCase()
  return v.is(deviceId, id)
    ? id
    : fail(`${text} is no id of a robot`, 'An id looks like 02:00:00:00:00:01; `robots` shows them.')
}

function parseNumber(text: string): number {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : fail(`${text} is no finite number`, 'Like this: drive 0.2 0.1')
}

function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= MAX_MEASUREMENTS
    ? value
    : fail(`rtt measures 1 to ${MAX_MEASUREMENTS} times, not ${text}`)
}

function parseSeconds(text: string): number {
  const value = parseNumber(text)
  return value >= 0 && value <= MAX_WAIT ? value : fail(`wait takes 0 to ${MAX_WAIT} seconds, not ${text}`)
}

function expectArguments(word: string, args: readonly string[], least: number, most = least): void {
  if (args.length >= least && args.length <= most) return
  const wanted = least === most ? `${least}` : `${least} or ${most}`
  throw wrong(`${word} takes ${wanted} argument${most === 1 ? '' : 's'}, not ${args.length}`)
}

function wrong(message: string, hint = '`help` shows the commands.'): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', message, { hint })
}

function fail(message: string, hint?: string): never {
  throw wrong(message, hint)
}
