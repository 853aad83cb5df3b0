import { type Command, Option } from 'commander'
import { defaultFolder } from '../data-folder.js'
import { addPortOptions } from '../discover/place.js'
import {
  addPlaceOptions,
  addressWithPort,
  jsonOption,
  parseAddress,
  parseCount,
  parseId,
  parseWebSocket,
  secondsOption,
  serialOption,
} from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import {
  type AclFlags,
  aclCommand,
  auditExportCommand,
  auditVerifyCommand,
  backupCommand,
  type FolderFlags,
  resetPasswordCommand,
  restoreCommand,
  rotateKeyCommand,
  setupCommand,
} from './admin.js'
import { addBrokerOptions, parseBrokerUrl } from './broker.js'
import { BROKER_PORT, type GatewayFlags, PAGE_PORT, parseBroker, parseProxyUrl } from './config.js'
import { gatewayServeCommand } from './serve.js'
import { type SimSensorOptions, simSensorCommand } from './sim.js'

/** How a command of commander becomes one of ours: see `build` in program.ts. */
export interface Actions {
  readonly action: <T>(command: (options: T, output: Output) => Promise<number>) => (options: T) => Promise<void>
  readonly longAction: <T>(
    command: (options: T, output: Output, stop: Stop) => Promise<number>,
  ) => (options: T) => Promise<void>
  readonly peerAction: <T>(
    command: (options: T, output: Output, stop: Stop) => Promise<number>,
  ) => (url: string | undefined, options: T) => Promise<void>
}

const SIM_HELP = `
Simulated sensors report temperature and the like, and answer requests. Each goes on trying until the gateway lets it in.
Ids count up from --id, or stand in the table. What happens is told on stderr. Without a way to the gateway it is the embedded broker on
this machine; without keys they are made, and kept in simulated-sensors.json of this folder.

  usmp keygen psk --device 02:73:69:6d:00:01 --out sensor.key
  usmp sim sensor --mqtt mqtt://127.0.0.1:1883 --psk-file sensor.key

With --publisher-key they take updates for the product usmp-sim-sensor and the chip sim. Any file is an image. One that begins with a line
"usmp-sim-sensor: WORD" behaves as the word says: good, crashes, hangs, cannot-connect or wrong-version.

  printf 'usmp-sim-sensor: crashes\\n' > bad.bin
  usmp ota sign bad.bin --key publisher.key --product usmp-sim-sensor --chip sim --version 1.1.0 --counter 1 --out bad.uota`

const GATEWAY_HELP = `
Without any option it is a first look: a folder of its own, a broker in this process, and three simulated sensors of which one
waits for its approval. It prints what to open and what to paste.

  usmp gateway serve --help     all options
  usmp gateway --broker mqtts://broker.example --broker-user gateway --broker-password-file password
  usmp gateway --tcp 0.0.0.0:9000 --udp 0.0.0.0:9000 --listen 0.0.0.0:8700`

const SERVE_HELP = `
The page is on this machine alone unless --listen says more; then it is https, with a certificate that the gateway signs by itself
or the one that is given. Where nothing takes devices (--broker, --tcp, --udp, --ws, --serial) it is the embedded broker.
What it knows is in the folder of --data: for one user, ${defaultFolder('usmp-gateway')}.
What happens is told on stderr, one line each. It needs no terminal. SIGTERM ends it in order, with exit code 0.`

/** Adds the commands that need the package @usmp/gateway. */
export function defineGatewayCommands(program: Command, actions: Actions): void {
  const gateway = program
    .command('gateway')
    .description('take devices in, with approval on a page (needs @usmp/gateway)')
    .addHelpText('after', GATEWAY_HELP)
  defineServe(gateway, actions)
  defineAdministration(gateway, actions)
  defineSimulator(program.command('sim').description('simulated devices (needs @usmp/gateway)'), actions)
}

function defineServe(gateway: Command, { longAction }: Actions): void {
  const serve = gateway
    .command('serve', { isDefault: true })
    .description('run the gateway')
    .option('--data <FOLDER>', 'where it keeps what it knows; made at the first start')
    .option('--key-file <FILE>', 'seals the keys of devices (default: store.key in that folder)')
    .option('--listen <HOST:PORT>', 'where the page is (default: 127.0.0.1:8700)', addressWithPort(PAGE_PORT))
    .option('--tls-cert <FILE>', 'the certificate of the page (PEM, with its chain) …')
    .option('--tls-key <FILE>', '… and its private key (PEM)')
    .option('--behind-proxy <URL>', 'a proxy offers the page as https://…, and speaks TLS', parseProxyUrl)
    .option('--name <HOST...>', 'other names than localhost under which the page is opened on this machine')
    .option('--tcp <HOST:PORT>', 'take devices over TCP: 0.0.0.0:9000 for the network', parseAddress)
    .option('--udp <HOST:PORT>', '… over UDP', parseAddress)
    .option('--ws <HOST:PORT>', '… over WebSocket, also as ws://HOST:PORT/PATH', parseWebSocket)
    .addOption(serialOption('… on a serial port'))
    .addOption(
      new Option('--broker <URL>', '… over MQTT: "embedded", or a broker as mqtts://HOST').argParser(parseBroker),
    )
    .option(
      '--broker-listen <HOST:PORT>',
      'where the embedded broker is (default: 127.0.0.1:1883)',
      addressWithPort(BROKER_PORT),
    )
  addBrokerOptions(serve)
    .option('--announce', 'let the gateway be found in the local network (usmp discover); everybody there sees it')
    .option('--announce-interface <NAME...>', '… on these interfaces only, as eth0')
  addPortOptions(serve)
    .option('--master-file <FILE>', 'a master key: devices whose key is derived from it need no key typed')
    .option('--publisher-key <FILE...>', 'take only images that one of these publishers has signed: public keys')
    .option('--update-rate <KIB>', 'KiB of images a second, to all devices together (default: no limit)', parseCount)
    .option('--webhook <URL>', 'post alarms there')
    .option('--webhook-secret-file <FILE>', 'signs them (HMAC-SHA256)')
    .addOption(
      new Option('--home-assistant <URL>', 'tell Home Assistant over this broker, in the clear').argParser(
        parseBrokerUrl,
      ),
    )
    .option('--home-assistant-user <NAME>', 'user name there …')
    .option('--home-assistant-password-file <FILE>', '… and its password')
    .option('--home-assistant-ca <FILE>', 'for mqtts:// there: trust these certificates (PEM)')
    .option('--home-assistant-plaintext', 'allow a broker there that is neither on this machine nor uses TLS')
    .option('--demo', 'run three simulated sensors for a first look')
    .option('--no-demo', 'do not, where nothing else is said')
    .addOption(jsonOption())
    .addHelpText('after', SERVE_HELP)
    .action(longAction<GatewayFlags>(gatewayServeCommand))
}

function defineAdministration(gateway: Command, { action }: Actions): void {
  /** One that works on the folder of a gateway. */
  const onFolder = (parent: Command, name: string, description: string) =>
    parent
      .command(name)
      .description(description)
      .option('--data <FOLDER>', 'the folder of the gateway')
      .addOption(jsonOption())

  /** The same with a file or a name in front. */
  const withArgument =
    (command: (argument: string, flags: FolderFlags, output: Output) => Promise<number>) =>
    (argument: string, flags: FolderFlags) =>
      action<FolderFlags>((options, output) => command(argument, options, output))(flags)

  onFolder(gateway, 'setup', 'print a new link for the first user of the gateway that runs').action(
    action(setupCommand),
  )
  onFolder(
    gateway.command('user').description('users of the page'),
    'reset-password',
    'a new password for somebody who is locked out',
  )
    .argument('<NAME>', 'the user')
    .option('--key-file <FILE>', 'as the gateway has it')
    .action(withArgument(resetPasswordCommand))
  onFolder(gateway, 'backup', 'write devices, users and audit log into a file, also while the gateway runs')
    .argument('<FILE>', 'a new file')
    .action(withArgument(backupCommand))
  onFolder(gateway, 'restore', 'make the folder of a gateway from a backup; the folder must be empty')
    .argument('<FILE>', 'the backup')
    .action(withArgument(restoreCommand))
  onFolder(gateway, 'rotate-key', 'seal the keys of devices by a new key file; the gateway must be stopped')
    .option('--key-file <FILE>', 'as the gateway has it')
    .action(action(rotateKeyCommand))
  const audit = gateway.command('audit').description('who did what')
  onFolder(audit, 'verify', 'check the hash of every entry').action(action(auditVerifyCommand))
  onFolder(audit, 'export', 'write all entries, one JSON object a line').action(action(auditExportCommand))
  gateway
    .command('acl')
    .description('write the access list for a broker')
    .addOption(new Option('--broker <NAME>', 'which broker').choices(['mosquitto', 'emqx']).makeOptionMandatory())
    .option('--site <NAME>', 'as the gateway has it (default: home)')
    .option('--broker-user <NAME>', 'the user of the gateway at the broker (default: gateway)')
    .action(action<AclFlags>(aclCommand))
}

function defineSimulator(sim: Command, { peerAction }: Actions): void {
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
    .option('--iface <NAME...>', 'for usmp+mdns://SITE and --announce: these interfaces only')
    .option('--announce', 'let them be found in the local network (usmp discover --devices)')
    .option('--announce-id', '… with their device ids, for everybody to see')
    .option('--publisher-key <FILE...>', 'take updates that this key has signed, at most 3 keys (default: no updates)')
  addPortOptions(sensor)
    .addOption(jsonOption())
    .addHelpText('after', SIM_HELP)
    .action(peerAction<SimSensorOptions>(simSensorCommand))
}
