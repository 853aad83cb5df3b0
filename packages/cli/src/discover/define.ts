import type { Command } from 'commander'
import { jsonOption, secondsOption } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { type DiscoverFlags, discoverCommand } from './discover.js'
import { addPortOptions } from './place.js'

const HELP = `
It asks by mDNS and by UDP queries, on every network that this machine has an address in. What answers is a hint: anybody can
answer. Who it really is shows when you connect.

  usmp discover                        gateways of this network
  usmp discover --devices --watch      devices that come and go
  usmp discover --host 10.0.7.5        ask one host, also behind a router
  usmp ping usmp+mdns://home --id …    connect to the gateway of the site "home"

The exit code is 4 if nothing was found; then it says what it tried, and why nothing may have come.`

interface Actions {
  readonly longAction: <T>(
    command: (options: T, output: Output, stop: Stop) => Promise<number>,
  ) => (options: T) => Promise<void>
}

/** Adds the command that needs the package @usmp/discovery. */
export function defineDiscoverCommand(program: Command, { longAction }: Actions): void {
  const discover = program
    .command('discover')
    .description('find gateways and devices in the local network (needs @usmp/discovery)')
    .option('--gateways', 'gateways (default)')
    .option('--devices', 'devices that want to be found; with --gateways both')
    .option('--site <NAME>', 'gateways of this site only')
    .option('--iface <NAME...>', 'ask on these interfaces only, as eth0')
    .option('--host <HOST...>', 'ask these hosts too, in unicast')
    .option('--watch', 'go on, and tell what comes, changes and goes')
    .addOption(secondsOption('--timeout <SECONDS>', 'search for so long', 3))
  addPortOptions(discover)
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(longAction<DiscoverFlags>(discoverCommand))
}
