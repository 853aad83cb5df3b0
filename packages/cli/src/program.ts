import { UsmpError } from '@usmp/core'
import { MAX_MESSAGE } from '@usmp/core/constants'
import { Command, CommanderError, Option } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { type ConnectCommandOptions, connectCommand } from './commands/connect.js'
import { type InspectOptions, inspectCommand } from './commands/inspect.js'
import { type KeygenOptions, keygenCommand } from './commands/keygen.js'
import { type PingCommandOptions, pingCommand } from './commands/ping.js'
import { type ServeCommandOptions, serveCommand } from './commands/serve.js'
import { type VectorsCheckOptions, vectorsCheckCommand } from './commands/vectors.js'
import { defineDiscoverCommand } from './discover/define.js'
import { ExitCode, OutputFailed } from './exit-code.js'
import { defineGatewayCommands } from './gateway/define.js'
import {
  addPeerOptions,
  jsonOption,
  parseAddress,
  parseCount,
  parseId,
  parseSeconds,
  parseWebSocket,
  secondsOption,
  serialOption,
  suiteOption,
} from './options.js'
import { defineOtaCommands } from './ota/define.js'
import { Output } from './output.js'
import { defineRelayCommands } from './relay/define.js'
import { type Stop, stopOnSignals } from './stop.js'

const HELP = `
A first session, on one machine in two terminals:
  usmp keygen psk --out device.key
  usmp serve --tcp 127.0.0.1:9000 --psk-file device.key --echo
  usmp connect usmp://127.0.0.1:9000 --id aa:bb:cc:dd:ee:ff --psk-file device.key

Exit codes:
  0 ok           1 internal fault, or output that cannot be written
  2 wrong usage                       3 unreachable, or gone too early
  4 timeout      5 refused, or wrong key               6 the server could not prove who it is
  7 a violation of the protocol, or different cipher suites
  129, 130, 143: ended by SIGHUP, SIGINT or SIGTERM before it was done`

const SERVE_HELP = `
Each message of a device is a line on stdout, with the device id in front if there are several devices.
Behind an id, and on a terminal, control characters in it are shown as \\x0a; --json is the exact form.
Each line on stdin is sent to every device that is connected; lines wait until there is one.
The fastest device sets the pace. One that falls 64 lines behind misses lines; that is told on stderr.
With --exec CMD, CMD is run for each session: messages are lines on its stdin, its stdout lines are messages,
USMP_DEVICE_ID and USMP_SESSION_ID are in its environment. At most 100 run at once, and one for each device.

--psk-table is a JSON object from device id to key in hex; "*" stands for every other device:
  {"aa:bb:cc:dd:ee:ff": "<64 hex digits>"}
With --psk-file every device has the same key, so each can pose as the server to the others: for one device, or a try.`

const CONNECT_HELP = `
Each line on stdin is sent as a message of at most ${MAX_MESSAGE} bytes; each message from the server is a line on stdout.
At the end of stdin, when the server has received everything, the session is closed (BYE).
To get answers to the last lines, wait for them: -1 for one message, -W SECONDS until that long nothing came.

  echo status | usmp connect --tcp 127.0.0.1:9000 --id aa:bb:cc:dd:ee:ff --psk-file device.key -1 -W 5`

const INSPECT_HELP = `
INPUT is hex digits, or the name of a file with bytes or hex digits in it; "-" or nothing is stdin.
Frames may stand one behind the other. The exit code is 7 if there is a fault in them.

--key-file is a JSON object; each key is tried:
  {"session_id": "<32 hex digits>", "keys": ["<64 hex digits>", …], "suite": "aes-256-gcm" or "chacha20-poly1305"}`

const VECTORS_HELP = `
CMD is started once. Each line on its stdin is a call, a JSON object: {"call": "crc16", "input": "313233"}.
It answers each with one line on stdout: {"crc": …, "wire": …}, or {"error": CODE}, or {"unsupported": "why"}.
vectors/README.md of the project lists the calls. What it writes on stderr is passed on.
The exit code is 7 if a case failed; cases that are left out are counted and told.`

type Run<T> = (options: T, output: Output) => Promise<number>
type LongRun<T> = (options: T, output: Output, stop: Stop) => Promise<number>

/** Runs the command line; returns the exit code. Faults are told on stderr, not thrown. */
export async function run(argv: readonly string[]): Promise<number> {
  const output = new Output(argv.includes('--json'))
  // Insecure settings are announced as warnings of the process; here they look like everything else.
  process.removeAllListeners('warning').on('warning', ({ message }) => output.warning(message))
  let exitCode: number = ExitCode.OK
  const program = build((result) => (exitCode = result), output)
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    exitCode = report(error, output)
  }
  await output.flush()
  // Told once all is written: what fails last, or the help, shows only then.
  if (output.broken.aborted && !isBrokenPipe(output.broken.reason)) {
    exitCode = output.error(new OutputFailed(output.broken.reason))
    await output.flush()
  }
  return exitCode
}

function build(finish: (exitCode: number) => void, output: Output): Command {
  /** Connects a command of commander with a function of ours. */
  const action =
    <T>(command: Run<T>) =>
    async (options: T) =>
      finish(await command(options, output))
  /** The same for one that goes on until it is stopped. */
  const longAction = <T>(command: LongRun<T>) =>
    action<T>((options, output) => command(options, output, stopOnSignals(output)))

  /** The same for one whose argument is the server. */
  const peerAction =
    <T>(command: LongRun<T>) =>
    (url: string | undefined, options: T) =>
      longAction(command)(url === undefined ? options : { ...options, url })

  const program = new Command('usmp')
    .description('Encrypted sessions between devices and programs, from the command line.')
    .version(manifest.version)
    .addHelpText('after', HELP)
    .helpCommand('help [COMMAND]', 'this, or what there is about a command')
    .exitOverride()
    // Errors of usage are told in the same form as all others.
    .configureOutput({ outputError: () => {} })
    .enablePositionalOptions()

  const keygen = program.command('keygen').description('make keys')
  keygen
    .command('psk')
    .description('make a pre-shared key of 32 random bytes, as 64 hex digits, or derive that of one device')
    .option('--out <FILE>', 'where to write it, readable by you alone; never overwrites; "-" is stdout')
    .option('--device <AA:BB:CC:DD:EE:FF>', 'for this device; its fingerprint is told on stderr', parseId)
    .option('--master-file <FILE>', 'not a random one: derive it from this master key, a key file too')
    .option('--qr', 'show a QR code of the device id and the key, as the gateway scans it')
    .addOption(jsonOption())
    .action(action<KeygenOptions>(keygenCommand))

  program
    .command('serve')
    .description('listen for devices')
    .option(
      '--tcp <HOST:PORT>',
      'where to listen: 0.0.0.0:9000 for the network, 9000 for this machine alone, 0 for a free port',
      parseAddress,
    )
    .option('--udp <HOST:PORT>', 'the same for UDP; both may be given', parseAddress)
    .option('--ws <HOST:PORT>', '… for WebSockets, also as ws://HOST:PORT/PATH', parseWebSocket)
    .option('--tls-cert <FILE>', 'serve wss:// with this certificate (PEM, with its chain) …')
    .option('--tls-key <FILE>', '… and its private key (PEM)')
    .option('--origin <ORIGIN...>', 'web pages that may connect, as https://app.example; none where left out')
    .addOption(serialOption('… on a serial port'))
    .addOption(
      new Option('--psk-file <FILE>', 'one key for all devices: hex digits, or 32 raw bytes').conflicts('pskTable'),
    )
    .option('--psk-table <FILE>', 'the key of each device, see below')
    .addOption(new Option('--echo', 'send every message back').conflicts('exec'))
    .option('--exec <CMD>', 'run a shell command for each session')
    .addOption(suiteOption())
    .option('-1, --one', 'end after the first message')
    .option('-W, --wait <SECONDS>', 'end when no message came for so long', parseSeconds)
    .addOption(jsonOption())
    .addHelpText('after', SERVE_HELP)
    .action(longAction<ServeCommandOptions>((options, ...rest) => serveCommand(complete(options), ...rest)))

  addPeerOptions(program.command('connect').description('connect as a device: lines are messages'))
    .option('--retry', 'connect again whenever the session or the server is lost, until it is stopped')
    .option('-1, --one', 'end with the first message from the server')
    .option('-W, --wait <SECONDS>', 'wait so long for the connection and for answers', parseSeconds)
    .addHelpText('after', CONNECT_HELP)
    .action(peerAction<ConnectCommandOptions>(connectCommand))

  addPeerOptions(program.command('ping').description('measure round trips through a session'))
    .option('-c, --count <NUMBER>', 'how many', parseCount, 5)
    .addOption(secondsOption('-i, --interval <SECONDS>', 'pause between them, at least 0.25 in effect', 1))
    .addOption(secondsOption('-W, --wait <SECONDS>', 'wait so long for the connection and for each answer', 5))
    .action(peerAction<PingCommandOptions>(pingCommand))

  defineDiscoverCommand(program, { longAction })
  defineGatewayCommands(program, { action, longAction, peerAction })
  defineRelayCommands(program, { action, longAction })
  defineOtaCommands(program, { action, longAction })

  program
    .command('inspect')
    .description('explain frames, and decrypt them if the keys are given')
    .argument('[INPUT]', 'hex digits, a file, or "-" for stdin')
    .option('--key-file <FILE>', 'the keys of the session, see below')
    .addOption(jsonOption())
    .addHelpText('after', INSPECT_HELP)
    .action((input: string | undefined, options: InspectOptions) =>
      action<InspectOptions>((settings) => inspectCommand(input, settings, output))(options),
    )

  const vectors = program.command('vectors').description('the cases that every implementation is held to')
  vectors
    .command('check')
    .description('hold a program to them')
    .requiredOption('--exec <CMD>', 'a shell command that starts the program')
    .option('--topic <TOPIC...>', 'only these')
    .option('--vectors <FOLDER>', 'other cases than those that came with this command')
    .addOption(secondsOption('-W, --wait <SECONDS>', 'wait so long for each answer', 10))
    .addOption(jsonOption())
    .addHelpText('after', VECTORS_HELP)
    .action(action<VectorsCheckOptions>(vectorsCheckCommand))
  return program
}

function complete(options: ServeCommandOptions): ServeCommandOptions {
  if (options.pskFile !== undefined || options.pskTable !== undefined) return options
  throw new UsmpError('INVALID_ARGUMENT', 'there is no key to let devices in with', {
    hint: 'Give --psk-file or --psk-table; `usmp keygen psk --out FILE` makes a key.',
  })
}

function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.OK
    // `usmp` alone: the help is shown already.
    if (error.code !== 'commander.help') output.error(usageError(error))
    return ExitCode.USAGE
  }
  return output.error(error)
}

function usageError({ message }: CommanderError): UsmpError {
  // Commander puts its guess in a second line.
  const [what = '', guess] = message.replace(/^error: /, '').split('\n')
  return new UsmpError('INVALID_ARGUMENT', what, {
    hint: `${guess ? `${guess} ` : ''}\`usmp help\` and \`usmp help COMMAND\` tell what there is.`,
  })
}

function isBrokenPipe(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE'
}
