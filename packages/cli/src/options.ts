import { type CipherSuite, formatDeviceId, parseDeviceId, UsmpError } from '@usmp/core'
import { type Command, Option } from 'commander'
import { parseSuite } from './key-files.js'

const DEFAULT_PORT = 9000
const WHERE = 'Give --tcp HOST:PORT, --udp HOST:PORT, --ws URL or --serial PATH.'
const LONGEST_WAIT = 1_000_000

/** Where a server is or listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A serial port and its speed. */
export interface Line {
  readonly path: string
  readonly baudRate?: number
}

/** The options of every command that connects to a server, which is in one of three places. */
export interface PeerOptions {
  readonly tcp?: Address
  readonly udp?: Address
  readonly ws?: URL
  readonly serial?: Line
  readonly id: string
  readonly pskFile: string
  readonly suite?: CipherSuite
}

export function addPeerOptions(command: Command): Command {
  return command
    .addOption(new Option('--tcp <HOST:PORT>', 'the server').argParser(parseAddress).conflicts(['udp', 'ws', 'serial']))
    .addOption(
      new Option('--udp <HOST:PORT>', '… or the server over UDP').argParser(parseAddress).conflicts(['ws', 'serial']),
    )
    .addOption(
      new Option('--ws <URL>', '… or its WebSocket, ws:// or wss://').argParser(parseWebSocket).conflicts('serial'),
    )
    .addOption(serialOption('… or the serial port to it'))
    .requiredOption('--id <AA:BB:CC:DD:EE:FF>', 'the device id, six bytes', parseId)
    .requiredOption('--psk-file <FILE>', 'the key of this device: 32 raw bytes, or hex')
    .addOption(suiteOption())
    .addOption(jsonOption())
}

export function suiteOption(): Option {
  return new Option('--suite <aes|chacha>', 'cipher suite, the same at both ends (default: aes)').argParser(readSuite)
}

export function jsonOption(): Option {
  return new Option('--json', 'one JSON object a line, results on stdout and status on stderr')
}

/**
 * `host:port`, `[::1]:port`, or a host alone for port 9000.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/i.exec(text)
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (match && port <= 65535) return { host: match[1] ?? match[2]!, port }
  throw new UsmpError('INVALID_ARGUMENT', `an address must look like HOST:PORT, not ${JSON.stringify(text)}`, {
    hint: 'For example 192.168.1.20:9000, gateway.local:9000 or [::1]:9000; ports go up to 65535.',
  })
}

/**
 * A WebSocket by its URL, or as {@link parseAddress} has it.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseWebSocket(text: string): URL {
  if (!/^wss?:/i.test(text)) return new URL(`ws://${hostPort(parseAddress(text))}/`)
  if (URL.canParse(text)) return new URL(text)
  throw new UsmpError(
    'INVALID_ARGUMENT',
    `--ws must look like ws://HOST:PORT/ or HOST:PORT, not ${JSON.stringify(text)}`,
  )
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseLine(text: string): Line {
  const match = /^(.+?)(?::(\d{1,8}))?$/.exec(text)
  if (match && match[2] === undefined) return { path: match[1]! }
  if (match && Number(match[2]) > 0) return { path: match[1]!, baudRate: Number(match[2]) }
  throw new UsmpError('INVALID_ARGUMENT', `--serial must look like PATH or PATH:BAUD, not ${JSON.stringify(text)}`)
}

export function serialOption(description: string): Option {
  return new Option('--serial <PATH[:BAUD]>', `${description}; 115200 baud where left out`).argParser(parseLine)
}

/**
 * Where the server is, as {@link connect} takes it.
 * @throws UsmpError INVALID_ARGUMENT if no option says so
 */
export function urlOf({ tcp, udp, ws, serial }: PeerOptions): string {
  if (tcp) return `usmp://${hostPort(tcp)}`
  if (udp) return `usmp+udp://${hostPort(udp)}`
  if (ws) return ws.href
  if (serial) return `serial:${encodeURI(serial.path)}${serial.baudRate ? `?baud=${serial.baudRate}` : ''}`
  throw new UsmpError('INVALID_ARGUMENT', 'there is no server to connect to', { hint: WHERE })
}

function hostPort({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseId(text: string): string {
  return formatDeviceId(parseDeviceId(text))
}

/**
 * Seconds as milliseconds.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (seconds > 0 && seconds <= LONGEST_WAIT) return Math.ceil(seconds * 1000)
  throw new UsmpError('INVALID_ARGUMENT', `expected a number of seconds over 0, not ${JSON.stringify(text)}`)
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count > 0) return count
  throw new UsmpError('INVALID_ARGUMENT', `expected a whole number over 0, not ${JSON.stringify(text)}`)
}

function readSuite(text: string): CipherSuite {
  const suite = parseSuite(text)
  if (suite) return suite
  throw new UsmpError('INVALID_ARGUMENT', `--suite must be aes or chacha, not ${JSON.stringify(text)}`)
}
