// What the programs here have in common with the `usmp` command: exit codes, output, key files, signals.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { ExitCode, Output, type Stop, stopOnSignals } from '@usmp/cli/internal'
import { UsmpError } from '@usmp/core'
import { RpcCode, RpcError } from '@usmp/rpc'
import { plainText } from '../shared/plain-text.js'
import { RoboLinkError } from './contract.js'

export { readLines } from '@usmp/cli/internal'
export { readPskFile } from '@usmp/node'
export { readSecretJson as readJson, writeSecretFile as writeSecret } from '@usmp/node/key-files'
export type { Output, Stop }
export { ExitCode }

/** Runs a program to its exit code. Faults are told on stderr; SIGINT and SIGTERM end it in order. */
export async function runProgram(main: (output: Output, stop: Stop) => Promise<number>): Promise<void> {
  const output = new Output(process.argv.includes('--json'))
  process.removeAllListeners('warning').on('warning', ({ message }) => output.warning(message))
  const stop = stopOnSignals(output)
  let exitCode: number
  try {
    exitCode = await main(output, stop)
  } catch (error) {
    exitCode = report(error, output)
  }
  await output.flush()
  process.exit(exitCode)
}

/**
 * The options of the command line; every program also has `--json` and `--help`, which shows `usage` and ends the program.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseOptions<const T extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: T,
): Values<T> {
  const common = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const
  let values: Values<T>
  try {
    values = parseArgs({ options: { ...options, ...common }, allowPositionals: false }).values as Values<T>
  } catch (cause) {
    throw new UsmpError('INVALID_ARGUMENT', (cause as Error).message, { cause, hint: usage })
  }
  if ('help' in values) {
    console.log(usage)
    process.exit(0)
  }
  return values
}

type Values<T extends NonNullable<ParseArgsConfig['options']>> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/**
 * The value of an option that must be there.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function required(value: string | undefined, name: string, usage: string): string {
  if (value !== undefined) return value
  throw new UsmpError('INVALID_ARGUMENT', `--${name} is missing`, { hint: usage })
}

const SCHEMES = { tcp: 'usmp://', udp: 'usmp+udp://', serial: 'serial://' }

/** Where a hub is, as `tcp:HOST:PORT`, `udp:HOST:PORT`, `serial:PATH` or `wss://HOST:PORT/usmp`; as a URL for `connect`. */
export function parsePlace(text: string): URL {
  const [, scheme, rest] = /^(tcp|udp|serial):(.+)$/.exec(text) ?? []
  const url = scheme ? SCHEMES[scheme as keyof typeof SCHEMES] + rest : text
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed && /^(usmp|usmp\+udp|serial|wss?):$/.test(parsed.protocol)) return parsed
  throw new UsmpError('INVALID_ARGUMENT', `${text} is no place of a hub`, {
    hint: 'It looks like tcp:127.0.0.1:9000, udp:127.0.0.1:9000, wss://127.0.0.1:8443/usmp or serial:/dev/ttyUSB0.',
  })
}

/** Tells what went wrong, also what the hub answered. Returns the exit code for it. */
export function report(error: unknown, output: Output): number {
  if (!(error instanceof RpcError)) return output.error(error)
  const exitCode = exitCodeOf(error)
  const { code, message } = error
  output.status(plainText(`error: ${message} [${code}]`), { event: 'error', code, message, exit_code: exitCode })
  return exitCode
}

function exitCodeOf({ code }: RpcError): number {
  switch (code) {
    case RoboLinkError.NOT_THE_DRIVER:
    case RoboLinkError.FENCED:
    case RoboLinkError.NO_SUCH_ROBOT:
    case RpcCode.BUSY:
      return ExitCode.REFUSED
    case RoboLinkError.ROBOT_IS_GONE:
      return ExitCode.UNREACHABLE
    case RoboLinkError.TOO_OLD:
    case RoboLinkError.OVERTAKEN:
      return ExitCode.TIMEOUT
    case RpcCode.INVALID_PARAMS:
      return ExitCode.USAGE
    default:
      return ExitCode.PROTOCOL
  }
}
