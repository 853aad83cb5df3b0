import { type Command, Option } from 'commander'
import { jsonOption, parseCount, parseId } from '../options.js'
import type { Output } from '../output.js'
import type { Actions } from '../relay/actions.js'
import type { Stop } from '../stop.js'
import { addGatewayPlace } from './gateway-place.js'
import {
  type ActFlags,
  actCommand,
  type PushFlags,
  pushCommand,
  type StatusFlags,
  statusCommand,
} from './rollout-commands.js'
import { parseCanary, parseSpan, parseWaves, parseWindow } from './rollout-options.js'

const PUSH_HELP = `
The canary comes first: a few devices that are online for long, of different
groups. When they have confirmed the image and stayed well for --soak, the
roll-out waits for you (\`usmp ota resume\`), unless --no-pause was given. Then
the waves come, each with a soak of its own.

It pauses by itself when too many devices fail: 5 % of a wave, at least 2. One
that has gone back to its old image counts twice. Devices that are away get the
image when they come back.

With --watch it tells each change. Exit code 0: done; 5: paused or aborted.`

/** Adds the commands that roll an image out. They need a gateway. */
export function defineRolloutCommands(ota: Command, { action, longAction }: Actions): void {
  const long =
    <T>(command: (argument: string | undefined, flags: T, output: Output, stop: Stop) => Promise<number>) =>
    (argument: string | undefined, flags: T) =>
      longAction<T>((options, output, stop) => command(argument, options, output, stop))(flags)
  const push = ota
    .command('push')
    .description('upload a signed image to a gateway, and roll it out (needs @usmp/gateway)')
    .argument('<FILE>', 'the signed image, as NAME.uota')
    .option('--name <NAME>', 'what people call the roll-out')
    .addOption(new Option('--group <NAME>', 'only the devices of this group').conflicts('device'))
    .option('--device <ID>', 'only this device; may be given again', collectIds)
    .option('--canary <N>', 'devices of the canary, 0 to 10 (default: 1 %, at least 1)', parseCanary)
    .option('--no-pause', 'go on by itself after the canary')
    .option('--soak <SPAN>', 'how long a stage must stay well, as 10m (the default) or 0', parseSpan)
    .option('--waves <PERCENT>', 'growing shares of all devices (default: 5,25,100)', parseWaves)
    .option('--parallel <N>', 'transfers at once (default: 8)', parseCount)
    .option('--window <FROM-TO>', 'only at this time of the day, as 22:00-05:00', parseWindow)
    .option('--watch', 'tell each change until it is done, or stands')
  addGatewayPlace(push)
    .addOption(jsonOption())
    .addHelpText('after', PUSH_HELP)
    .action(long<PushFlags>((file, ...rest) => pushCommand(file!, ...rest)))
  const status = ota
    .command('status')
    .description('tell of roll-outs, or of one with its devices')
    .argument('[ID]', 'the roll-out; all where left out, and with --watch the newest')
    .option('--watch', 'tell each change until it is done, or stands')
  addGatewayPlace(status).addOption(jsonOption()).action(long<StatusFlags>(statusCommand))

  const acts = [
    ['pause', 'offer the image to nobody for now', '--reason <TEXT>'],
    ['resume', 'go on with a roll-out that is paused', undefined],
    ['abort', 'end a roll-out; devices that restart into the image already are not called back', '--reason <TEXT>'],
    ['retry', 'try devices that failed once more', '--device <ID>'],
  ] as const
  for (const [name, description, option] of acts) {
    const command = ota
      .command(name)
      .description(description)
      .argument('[ID]', 'the roll-out; may be left out if there is one')
    if (option === '--reason <TEXT>') command.option(option, 'for those who look later')
    if (option === '--device <ID>') command.option(option, 'only this device; may be given again', collectIds)
    addGatewayPlace(command)
      .addOption(jsonOption())
      .action((id: string | undefined, flags: ActFlags) =>
        action<ActFlags>((options, output) => actCommand(name, id, options, output))(flags),
      )
  }
}

function collectIds(text: string, before: readonly string[] = []): string[] {
  return [...before, parseId(text)]
}
