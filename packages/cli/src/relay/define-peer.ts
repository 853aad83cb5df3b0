import { type Command, Option } from 'commander'
import { addressWithPort, jsonOption } from '../options.js'
import type { Output } from '../output.js'
import type { Actions } from './actions.js'
import { defaultIdentityFile, type IdentityFlags } from './files.js'
import { type PeerFlags, parseCover, parsePin, parseRelay, parseSide } from './flags.js'
import {
  type ExportFlags,
  identityExportCommand,
  identityPasswordCommand,
  identityShowCommand,
  identityWordsCommand,
  type PasswordFlags,
} from './identity.js'
import { relayPeerCommand } from './peer.js'
import { addCommand, forgetCommand, peersCommand, verifyCommand } from './peers.js'

const API_PORT = 8741

const PEER_HELP = `
Each line on stdin is a message, each message of the other end is a line on
stdout; states are told on stderr. Lines wait while the other end or the relay
is away, and none is lost or comes twice as long as both programs run.
At the end of stdin (Ctrl-D) the channel is closed once everything has arrived,
and both programs end. With nothing on stdin it only receives, until the other
end closes it.

One of these says who the other end is:
  --new-code         show a code; who types it within ten minutes becomes known
  --code WORDS       the code that the other end shows. A wrong code is used up:
                     exit code 5
  --to NAME          a peer that is known: \`usmp relay peers\` lists them
  --peer-file FILE   what \`usmp relay identity export\` wrote there. Then compare
                     the words: \`usmp relay identity words NAME\`
  --pair-key-file FILE --side 0|1
                     a device that got its key when it was set up

If a known name comes with another identity, nothing is shown, sent or changed,
and the exit code is 6.`

/** Adds the commands of those who meet at a relay. */
export function definePeerCommands(relay: Command, actions: Actions): void {
  definePeer(relay, actions)
  defineIdentity(relay, actions)
  definePeers(relay, actions)
}

function definePeer(relay: Command, { longAction }: Actions): void {
  const peer = relay
    .command('peer')
    .description('talk with another end: lines are messages')
    .requiredOption('--relay <URL>', 'wss://HOST[:PORT], or ws:// on this machine', parseRelay)
    .option('--token-file <FILE>', 'the token, if the relay asks for one')
    .option('--ca <FILE>', 'trust these certificates (PEM) instead of the well-known authorities')
    .option('--pin <HEX>', 'trust this key of the relay alone: SHA-256 of it, 64 hex digits', parsePin)
    .option('--cert <FILE>', 'a certificate (PEM) for a relay that asks for one …')
    .option('--key <FILE>', '… and its private key (PEM)')
    .option('--new-code', 'show a code for the other end')
    .option('--code <WORDS>', 'the code that the other end shows')
    .option('--to <NAME>', 'a known peer')
    .option('--peer-file <FILE>', 'the exported identity of the other end')
    .option('--pair-key-file <FILE>', 'a key that was given to both ends: hex digits, or 32 raw bytes')
    .addOption(new Option('--side <0|1>', 'which end of that pair this is').argParser(parseSide))
    .option('--name <NAME>', 'the own name, told at a pairing (default: your user name)')
    .addOption(
      new Option(
        '--cover <RATE>',
        'hide when you write: cells a second; "off"; or "noise", which a relay can tell apart',
      ).argParser(parseCover),
    )
    .option('--no-channel', 'plain sessions, for devices: what is under way when one breaks is lost')
    .option(
      '--api <HOST:PORT>',
      'take messages by HTTP from programs on this machine, not from stdin',
      addressWithPort(API_PORT),
    )
    .option('--api-token-file <FILE>', 'the bearer token for it; made if it is not there')
  addIdentityOptions(peer)
    .addOption(jsonOption())
    .addHelpText('after', PEER_HELP)
    .action(longAction<PeerFlags>(relayPeerCommand))
}

function defineIdentity(relay: Command, { action }: Actions): void {
  const identity = relay.command('identity').description('who you are towards peers')
  const withIdentity = (name: string, description: string, options: { isDefault?: boolean } = {}) =>
    addIdentityOptions(identity.command(name, options).description(description)).addOption(jsonOption())

  withIdentity('show', 'the public key; made at the first use', { isDefault: true }).action(
    action<IdentityFlags>(identityShowCommand),
  )
  withIdentity('export', 'write name and public key, for the --peer-file of others')
    .argument('<FILE>', 'a new file; "-" is stdout')
    .option('--name <NAME>', 'under which they know you (default: your user name)')
    .action((file: string, flags: ExportFlags) =>
      action<ExportFlags>((options, output) => identityExportCommand(file, options, output))(flags),
    )
  withIdentity('passwd', 'seal the identity by a passphrase, or change it')
    .option('--new-passphrase-file <FILE>', 'the new one; asked for on the terminal otherwise')
    .option('--remove', 'keep it without a passphrase')
    .action(action<PasswordFlags>(identityPasswordCommand))
  withIdentity('words', 'words to compare with a peer, by a way that nobody can fake')
    .argument('<NAME>', 'the peer')
    .action(withName(action, identityWordsCommand))
}

function definePeers(relay: Command, { action }: Actions): void {
  const withIdentity = (name: string, description: string) =>
    addIdentityFile(relay.command(name).description(description)).addOption(jsonOption())

  withIdentity('peers', 'list the known peers').action(action<IdentityFlags>(peersCommand))
  withIdentity('add', 'remember the peer of an exported identity')
    .argument('<FILE>', 'what `usmp relay identity export` wrote there')
    .action(withName(action, addCommand))
  withIdentity('verify', 'note that you have compared the words of a peer')
    .argument('<NAME>', 'the peer')
    .action(withName(action, verifyCommand))
  withIdentity('forget', 'remove a known peer; the next pairing may bring another identity under its name')
    .argument('<NAME>', 'the peer')
    .action(withName(action, forgetCommand))
}

/** A command with the name of a peer in front. */
function withName(
  action: Actions['action'],
  command: (name: string, flags: IdentityFlags, output: Output) => Promise<number>,
) {
  return (name: string, flags: IdentityFlags) =>
    action<IdentityFlags>((options, output) => command(name, options, output))(flags)
}

function addIdentityFile(command: Command): Command {
  return command.option('--identity <FILE>', `the own identity (default: ${defaultIdentityFile()})`)
}

function addIdentityOptions(command: Command): Command {
  return addIdentityFile(command).option(
    '--passphrase-file <FILE>',
    'its passphrase; asked for on the terminal otherwise',
  )
}
