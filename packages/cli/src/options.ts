import { isIPv6 } from 'node:net'
import { type CipherSuite, formatDeviceId, parseDeviceId, UsmpError } from '@usmp/core'
import { type Command, Option } from 'commander'
import { addPortOptions, type SearchFlags } from './discover/place.js'
import { longNames, parseSuite, shortNames } from './suites.js'

/** This machine alone, as the library has it: a server is in the network only where somebody says so. */
const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 9000
const WHERE = 'Give its URL, such as usmp://192.168.1.20:9000, or --tcp, --udp, --ws or --serial.'
const LONGEST_WAIT = 1_000_000

/** Where a server is or listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A serial port and its speed. */
export interface SerialAddress {
  readonly path: string
  readonly baudRate?: number
}

/** Where the server is that a command connects to, in one of these ways. */
export interface PlaceOptions {
  /** Its URL, as the library takes it. */
  readonly url?: string
  readonly tcp?: Address
  readonly udp?: Address
  readonly ws?: URL
  readonly serial?: SerialAddress
  /** A PEM file with the authorities to trust for `wss`. */
  readonly ca?: string
}

/** The options of every command that connects to a server as one device. */
export interface PeerOptions extends PlaceOptions, SearchFlags {
  readonly id: string
  readonly pskFile: string
  readonly suite?: CipherSuite
}

export function addPeerOptions(command: Command): Command {
  addPlaceOptions(command).option('--iface <NAME...>', 'for usmp+mdns://SITE: search on these interfaces only')
  return addPortOptions(command)
    .requiredOption('--id <AA:BB:CC:DD:EE:FF>', 'the device id, six bytes', parseId)
    .requiredOption('--psk-file <FILE>', 'the key of this device: hex digits, or 32 raw bytes')
    .addOption(suiteOption())
    .addOption(jsonOption())
}

export function addPlaceOptions(command: Command): Command {
  return command
    .argument(
      '[URL]',
      'the server: usmp://HOST:PORT, usmp+udp://HOST:PORT, usmp+mdns://SITE, ws://…, wss://… or serial:///dev/…',
    )
    .addOption(
      new Option('--tcp <HOST:PORT>', '… or its host and port')
        .argParser(parseAddress)
        .conflicts(['udp', 'ws', 'serial']),
    )
    .addOption(
      new Option('--udp <HOST:PORT>', '… or the server over UDP').argParser(parseAddress).conflicts(['ws', 'serial']),
    )
    .addOption(
      new Option('--ws <URL>', '… or its WebSocket, ws:// or wss://').argParser(parseWebSocket).conflicts('serial'),
    )
    .addOption(serialOption('… or the serial port to it'))
    .option('--ca <FILE>', 'for wss://: trust these certificates (PEM) instead of the well-known authorities')
}

export function suiteOption(): Option {
  const names = `${longNames.join(' or ')} (${shortNames.join(', ')})`
  const description = `${names}, the same at both ends (default: ${shortNames[0]})`
  return new Option('--suite <NAME>', description).argParser(readSuite)
}

export function jsonOption(): Option {
  return new Option('--json', 'one JSON object a line, results on stdout and status on stderr')
}

/**
 * `host:port`, `[::1]:port`, `[fe80::1%eth0]:port`, a host alone for port 9000, or a port alone for this machine.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseAddress(text: string): Address {
  return addressWithPort(DEFAULT_PORT)(text)
}

/** The same with another port where none is given. */
export function addressWithPort(defaultPort: number): (text: string) => Address {
  return (text) => readAddress(text, defaultPort)
}

function readAddress(text: string, defaultPort: number): Address {
  const full = /^\d{1,5}$/.test(text) ? `${DEFAULT_HOST}:${text}` : text
  const [, ipv6, name, digits] = /^(?:\[([^[\]/\s]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(full) ?? []
  const host = ipv6 === undefined || isIPv6(ipv6) ? (ipv6 ?? name) : undefined
  const port = Number(digits ?? defaultPort)
  if (host !== undefined && port <= 65535) return { host, port }
  throw new UsmpError('INVALID_ARGUMENT', `an address must look like HOST:PORT, not ${JSON.stringify(text)}`, {
    hint: 'For example 192.168.1.20:9000, gateway.local:9000, [::1]:9000, or 9000 for a port of this machine; ports go up to 65535. `usmp connect` and `usmp ping` take a URL without --tcp.',
  })
}

/**
 * A WebSocket by its URL, or as {@link parseAddress} has it.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseWebSocket(text: string): URL {
  const url = /^wss?:/i.test(text) ? text : `ws://${hostPort(parseAddress(text))}/`
  if (URL.canParse(url)) return new URL(url)
  throw new UsmpError(
    'INVALID_ARGUMENT',
    `--ws must look like ws://HOST:PORT/ or HOST:PORT, not ${JSON.stringify(text)}`,
    { hint: 'For example ws://127.0.0.1:8080/usmp or wss://gateway.example/usmp.' },
  )
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseSerial(text: string): SerialAddress {
  const match = /^(.+?)(?::(\d{1,8}))?$/.exec(text)
  if (match && match[2] === undefined) return { path: match[1]! }
  if (match && Number(match[2]) > 0) return { path: match[1]!, baudRate: Number(match[2]) }
  throw new UsmpError('INVALID_ARGUMENT', `--serial must look like PATH or PATH:BAUD, not ${JSON.stringify(text)}`)
}

export function serialOption(description: string): Option {
  return new Option('--serial <PATH[:BAUD]>', `${description}; 115200 baud where left out`).argParser(parseSerial)
}

/**
 * Where the server is, as {@link connect} takes it.
 * @throws UsmpError INVALID_ARGUMENT if no option says so, or two do
 */
export function urlOf({ url, tcp, udp, ws, serial, ca }: PlaceOptions): string {
  const place = optionsUrl({ tcp, udp, ws, serial })
  if (url !== undefined && place !== undefined) {
    throw new UsmpError('INVALID_ARGUMENT', `two servers are given, ${url} and ${place}`, { hint: WHERE })
  }
  const server = url ?? place
  if (server === undefined) throw new UsmpError('INVALID_ARGUMENT', 'there is no server to connect to', { hint: WHERE })
  if (ca !== undefined && !/^wss:/i.test(server)) {
    throw new UsmpError('INVALID_ARGUMENT', '--ca belongs to wss://', {
      hint: 'Nothing else has certificates: the pre-shared key proves who the server is.',
    })
  }
  return server
}

type Places = { readonly [Place in 'tcp' | 'udp' | 'ws' | 'serial']: PlaceOptions[Place] | undefined }

function optionsUrl({ tcp, udp, ws, serial }: Places): string | undefined {
  if (tcp) return `usmp://${hostPort(tcp)}`
  if (udp) return `usmp+udp://${hostPort(udp)}`
  if (ws) return ws.href
  if (serial) return `serial:${encodeURI(serial.path)}${serial.baudRate ? `?baud=${serial.baudRate}` : ''}`
  return undefined
}

/** As it stands in a URL: the `%` before the zone of an IPv6 address is written as `%25` there (RFC 6874). */
function hostPort({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host.replace('%', '%25')}]` : host}:${port}`
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

export function secondsOption(flags: string, description: string, seconds: number): Option {
  return new Option(flags, description).argParser(parseSeconds).default(seconds * 1000, String(seconds))
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
  throw new UsmpError('INVALID_ARGUMENT', `there is no cipher suite ${JSON.stringify(text)}`, {
    hint: `There are ${longNames.map((name, i) => `${name} (or ${shortNames[i]})`).join(' and ')}; ${shortNames[0]} is the default.`,
  })
}
