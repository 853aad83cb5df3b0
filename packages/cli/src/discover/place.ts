import { UsmpError } from '@usmp/core'
import type { SearchOptions } from '@usmp/discovery'
import { type Command, Option } from 'commander'

/** Where a command searches. */
export interface SearchFlags {
  readonly iface?: readonly string[]
  readonly host?: readonly string[]
  readonly discoveryPort?: number
  readonly mdnsPort?: number
}

/** What the library needs of these flags. */
export function searchOptions({ iface, host, discoveryPort, mdnsPort }: SearchFlags): SearchOptions {
  return {
    ...(iface ? { interfaces: iface } : {}),
    ...(host ? { hosts: host } : {}),
    ...(discoveryPort === undefined ? {} : { port: discoveryPort }),
    ...(mdnsPort === undefined ? {} : { mdnsPort }),
  }
}

/** Whether an address is found by searching. */
export function isSearched(url: string): boolean {
  return /^usmp\+mdns:/i.test(url)
}

/** Ports of discovery; that of mDNS is fixed but in tests. */
export function addPortOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--discovery-port <PORT>', 'the UDP port of queries, the same at both ends (default: 9001)').argParser(
        parsePort,
      ),
    )
    .addOption(new Option('--mdns-port <PORT>').argParser(parsePort).hideHelp())
}

/** @throws UsmpError INVALID_ARGUMENT */
function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65535) return port
  throw new UsmpError('INVALID_ARGUMENT', `a port is a number from 1 to 65535, not ${JSON.stringify(text)}`)
}
