import { type Command, Option } from 'commander'
import { addPlaceOptions, jsonOption, parseCount, parseId, secondsOption } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { addBrokerOptions, parseBrokerUrl } from './broker.js'
import { type SimSensorOptions, simSensorCommand } from './sim.js'

/** How a command of commander becomes one of ours: see `build` in program.ts. */
export interface Actions {
  readonly peerAction: <T>(
    command: (options: T, output: Output, stop: Stop) => Promise<number>,
  ) => (url: string | undefined, options: T) => Promise<void>
}

const SIM_HELP = `
Simulated sensors report temperature and the like, and answer requests. Each goes on trying until the gateway lets it in.
Ids count up from --id, or stand in the table. What happens is told on stderr.

  usmp keygen psk --device 02:73:69:6d:00:01 --out sensor.key
  usmp sim sensor --mqtt mqtt://127.0.0.1:1883 --psk-file sensor.key`

/** Adds the commands that need the package @usmp/gateway. */
export function defineGatewayCommands(program: Command, { peerAction }: Actions): void {
  const sim = program.command('sim').description('simulated devices (needs @usmp/gateway)')
  const sensor = sim.command('sensor').description('sensors that report and answer requests, for a try or for load')
  addPlaceOptions(sensor).addOption(
    new Option('--mqtt <URL>', '… or the broker to it: mqtt://, mqtts://, ws:// or wss://').argParser(parseBrokerUrl),
  )
  addBrokerOptions(sensor)
    .option('--shared', 'one connection to the broker for all, where it allows that; else each has its own')
    .option('-n, --count <NUMBER>', 'how many (default: 1, or all of the table)', parseCount)
    .option('--id <AA:BB:CC:DD:EE:FF>', 'the device id of the first (default: 02:73:69:6d:00:01)', parseId)
    .addOption(
      new Option('--psk-file <FILE>', 'the key of one sensor: hex digits, or 32 raw bytes').conflicts([
        'masterFile',
        'pskTable',
      ]),
    )
    .addOption(new Option('--master-file <FILE>', 'derive the key of each from this master key').conflicts('pskTable'))
    .option('--psk-table <FILE>', 'the key of each, a JSON object from device id to key as for `usmp serve`')
    .addOption(secondsOption('-i, --interval <SECONDS>', 'between two readings', 5))
    .addOption(jsonOption())
    .addHelpText('after', SIM_HELP)
    .action(peerAction<SimSensorOptions>(simSensorCommand))
}
