import { type Command, Option } from 'commander'
import { addressWithPort, jsonOption, parseAddress, parseCount } from '../options.js'
import type { Actions } from './actions.js'
import { definePeerCommands } from './define-peer.js'
import type { ServeFlags, TokenFlags } from './flags.js'
import { relayServeCommand, tokenCommand } from './serve.js'

const RELAY_PORT = 8740

const RELAY_HELP = `
A first look, on one machine in three terminals:
  usmp relay serve --open
  usmp relay peer --relay ws://127.0.0.1:8740 --new-code
  usmp relay peer --relay ws://127.0.0.1:8740 --code WORDS --identity second.json

The relay passes on what it cannot read. The two peers meet by a code of four
words once, and know each other from then on:
  usmp relay peer --relay ws://127.0.0.1:8740 --to NAME`

const SERVE_HELP = `
It is on this machine alone unless --listen says more; then it needs TLS, its
own or that of a proxy in front (--trust-proxy). Who may meet there shows a
token, which \`usmp relay token\` makes with the same key. It stores nothing, so
it can be killed at any time. It needs no terminal. SIGTERM ends it in order,
with exit code 0.

  usmp keygen psk --out relay.key
  usmp relay serve --listen 0.0.0.0:443 --tls-cert cert.pem \\
    --tls-key key.pem --token-key relay.key
  usmp relay token --token-key relay.key --days 30`

/** Adds the commands that need the package @usmp/relay. */
export function defineRelayCommands(program: Command, actions: Actions): void {
  const relay = program
    .command('relay')
    .description('two ends talk over a relay that can read nothing (needs @usmp/relay)')
    .addHelpText('after', RELAY_HELP)
  defineServer(relay, actions)
  definePeerCommands(relay, actions)
}

function defineServer(relay: Command, { action, longAction }: Actions): void {
  relay
    .command('serve')
    .description('run a relay')
    .addOption(
      new Option('--listen <HOST:PORT>', 'where it listens')
        .argParser(addressWithPort(RELAY_PORT))
        .default({ host: '127.0.0.1', port: RELAY_PORT }, `127.0.0.1:${RELAY_PORT}`),
    )
    .option('--tls-cert <FILE>', 'its certificate (PEM, with its chain) …')
    .option('--tls-key <FILE>', '… and the private key of it (PEM)')
    .option('--client-ca <FILE>', 'take only peers with a certificate of this authority (PEM)')
    .option('--token-key <FILE>', 'take only peers with a token that was made with this key')
    .option('--open', 'take everybody who can reach it')
    .option('--trust-proxy', 'a proxy in front speaks TLS, and tells the addresses by X-Forwarded-For')
    .option('--metrics <HOST:PORT>', 'figures for Prometheus, at /metrics there', parseAddress)
    .addOption(jsonOption())
    .addHelpText('after', SERVE_HELP)
    .action(longAction<ServeFlags>(relayServeCommand))
  relay
    .command('token')
    .description('make a token for the peers of a relay, on stdout')
    .requiredOption('--token-key <FILE>', 'as the relay has it')
    .addOption(new Option('--days <NUMBER>', 'until it expires').argParser(parseCount).default(30))
    .option('--name <NAME>', 'for whom it is, at most 8 bytes; it is in the token')
    .addOption(jsonOption())
    .action(action<TokenFlags>(tokenCommand))
}
