// An operator in the terminal, or in a script: one command a line.
import { readFile } from 'node:fs/promises'
import { createInterface, type Interface } from 'node:readline'
import { UsmpError } from '@usmp/core'
import { plainText } from '../../shared/plain-text.js'
import {
  ExitCode,
  type Output,
  parseOptions,
  parsePlace,
  readLines,
  readPskFile,
  report,
  required,
  runProgram,
  type Stop,
} from '../command.js'
import type { RobotInfo, Said } from '../contract.js'
import { HELP, parseCommand, parseRobot } from './commands.js'
import { Console, type Print } from './console.js'
import { CsvLog } from './csv.js'
import { type HubLinkOptions, hubs } from './hub-link.js'

const USAGE = `usage: operator --connect PLACE --id ID --psk-file FILE [--robot ID] [--csv FILE] [--ca FILE] [--json]
  PLACE: tcp:HOST:PORT or wss://HOST:PORT/usmp
  --csv FILE: all telemetry of the robot, as lines
  --ca FILE: for wss, the certificate of the hub (tls-cert.pem in its state folder)

Commands, one a line; piped ones are carried out in order, and the end of the input is the end:
${HELP}

Exit codes: 0 ok, 2 wrong usage, 3 unreachable or gone, 4 timeout, 5 refused or wrong key. With several lines: of the first
that failed.`

await runProgram(async (output, stop) => {
  const text = { type: 'string' } as const
  const options = parseOptions(USAGE, {
    connect: text,
    id: text,
    'psk-file': text,
    robot: text,
    csv: text,
    ca: text,
  })
  const place = parsePlace(required(options.connect, 'connect', USAGE))
  const deviceId = required(options.id, 'id', USAGE)
  const psk = await readPskFile(required(options['psk-file'], 'psk-file', USAGE))
  const ca = options.ca === undefined ? undefined : await readFile(options.ca)
  const robot = options.robot === undefined ? undefined : parseRobot(options.robot)
  const csv = options.csv === undefined ? undefined : await CsvLog.open(options.csv)
  try {
    return await operate({ place, deviceId, psk, ca }, robot, csv, output, stop)
  } finally {
    await csv?.close()
  }
})

async function operate(
  credentials: Pick<HubLinkOptions, 'place' | 'deviceId' | 'psk' | 'ca'>,
  robot: string | undefined,
  csv: CsvLog | undefined,
  output: Output,
  stop: Stop,
): Promise<number> {
  const terminal = process.stdin.isTTY
    ? createInterface({ input: process.stdin, output: process.stdout, prompt: '› ' })
    : undefined
  const print = printer(output, terminal)
  const console = new Console(print, robot, csv)
  const end = new AbortController()
  const onRetry = ({ code, message }: UsmpError, pause: number) =>
    output.status(`operator: ${message}; again in ${pause} ms`, { event: 'retry', code, message, pause })

  let onConnected!: () => void
  const connected = new Promise<void>((resolve) => (onConnected = resolve))
  const heard = {
    chat: ({ robot, from, role, text }: Said) =>
      print(`${from}${role === 'robot' ? ' (robot)' : ''}: ${text}`, { event: 'chat', robot, from, role, text }),
    robots: ({ robots }: { robots: readonly RobotInfo[] }) => console.see(robots),
  }
  const link = async () => {
    for await (const { peer, session } of hubs({ ...credentials, signal: end.signal, onRetry }, heard)) {
      output.status(`operator: connected to ${session.address}`, { event: 'connected', address: session.address })
      await console.connected(peer).catch((error) => report(error, output))
      onConnected()
      await peer.closed
      console.disconnected()
    }
  }
  const linked = link()
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  const done = connected.then(() => carryOut(console, output, terminal))
  try {
    const exitCode = await Promise.race([done, linked, stopped])
    await console.end()
    end.abort()
    await linked
    return stop.exitCode || (exitCode ?? ExitCode.OK)
  } finally {
    terminal?.close()
  }
}

/** Carries out the lines of stdin until `quit` or the end. @returns the exit code of the first that failed */
async function carryOut(console: Console, output: Output, terminal: Interface | undefined): Promise<number> {
  let exitCode: number = ExitCode.OK
  terminal?.prompt()
  for await (const line of terminal ?? lines()) {
    try {
      const command = parseCommand(line)
      if (command?.name === 'quit') break
      if (command) await console.run(command)
    } catch (error) {
      const code = report(error, output)
      // At a terminal a mistake is no failure of the program.
      if (!terminal) exitCode ||= code
    }
    terminal?.prompt()
  }
  return exitCode
}

async function* lines(): AsyncGenerator<string, void, undefined> {
  for await (const { number, bytes } of readLines(process.stdin)) {
    if (!bytes) throw new UsmpError('INVALID_ARGUMENT', `line ${number} is too long`)
    yield new TextDecoder().decode(bytes)
  }
}

/** A line at a time; what is being typed stays below it. */
function printer(output: Output, terminal: Interface | undefined): Print {
  return (text, fields) => {
    if (terminal) process.stdout.write('\r\x1b[K')
    const lines = typeof text === 'string' ? [text] : text
    // What robots and operators say must not steer the terminal, or look like a line of somebody else.
    void output.result(lines.map(plainText).join('\n'), fields)
    terminal?.prompt(true)
  }
}
