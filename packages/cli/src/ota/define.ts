import { type Command, Option } from 'commander'
import { jsonOption } from '../options.js'
import type { Output } from '../output.js'
import type { Actions } from '../relay/actions.js'
import { attachCommand } from './attach.js'
import { defineRolloutCommands } from './define-rollouts.js'
import { type KeygenFlags, keygenCommand, type PublicFlags, publicCommand } from './keys.js'
import { addManifestOptions } from './manifest-options.js'
import { showCommand, type VerifyFlags, verifyCommand } from './show.js'
import { type ManifestCommandFlags, manifestCommand, type SignFlags, signCommand } from './sign.js'

const OTA_HELP = `
A first update, from the key to the signed image:
  usmp ota keygen --out release.key
  usmp ota sign firmware.bin --key release.key --product weather-station \\
    --chip esp32c3 --version 1.4.0 --counter 1 --out weather-1.4.0.uota
  usmp ota verify weather-1.4.0.uota --public-key release.key.pub

Devices take an image because of its signature, not because of who brings it.
So the key belongs on the machine that releases firmware, and not on the gateway.

Exit code 5: the key or the signature is not the right one; 7: the file is no
update, or its image is another one.`

const KEYGEN_HELP = `
The secret half goes into FILE, readable by you alone (PKCS#8, PEM), the public
half into FILE.pub (PEM). Devices are built with the public half: --c shows it
for firmware. Asks for a passphrase, unless --passphrase-file or
--no-passphrase says otherwise.

Who loses FILE can sign no more updates for devices that trust this key alone.
Keep a copy where fire and thieves are not, or make a second key and build both
into the devices.`

const MANIFEST_HELP = `
OUT is exactly what must be signed: Ed25519 as RFC 8032 has it, without a
prehash. With OpenSSL, and a key that it can reach:

  usmp ota manifest firmware.bin … --public-key release.pub --out m.unsigned
  openssl pkeyutl -sign -rawin -inkey release.key -in m.unsigned -out m.sig
  usmp ota attach m.unsigned m.sig firmware.bin --out weather-1.4.0.uota`

/** A command with files in front of its options. */
type WithFiles<T> = (files: readonly string[], flags: T, output: Output) => Promise<number>

/** Adds the commands that need the package @usmp/ota. */
export function defineOtaCommands(program: Command, actions: Actions): void {
  const ota = program
    .command('ota')
    .description('signed firmware updates (needs @usmp/ota)')
    .addHelpText('after', OTA_HELP)
  defineKeys(ota, actions)
  defineSigning(ota, actions)
  defineReading(ota, actions)
  defineRolloutCommands(ota, actions)
}

function defineKeys(ota: Command, { action }: Actions): void {
  const keygen = ota
    .command('keygen')
    .description('make the key of a publisher')
    .requiredOption('--out <FILE>', 'where the secret half goes; never overwrites')
  addPassphraseOptions(keygen)
    .addOption(new Option('--no-passphrase', 'keep it without one, as for a build machine'))
    .option('--c', 'show the public half as a C array, not as hex digits')
    .addOption(jsonOption())
    .addHelpText('after', KEYGEN_HELP)
    .action(action<KeygenFlags>(keygenCommand))
  const shown = ota
    .command('public')
    .description('show the public half of a key')
    .argument('<FILE>', 'a key of a publisher, either half')
  addPassphraseOptions(shown)
    .addOption(new Option('--c', 'as a C array, for firmware').conflicts('pem'))
    .option('--pem', 'as PEM, for other programs')
    .addOption(jsonOption())
    .action(withFiles(action, 1, (files, flags: PublicFlags, output) => publicCommand(files[0]!, flags, output)))
}

function defineSigning(ota: Command, { action }: Actions): void {
  const sign = ota
    .command('sign')
    .description('sign an image')
    .argument('<IMAGE>', 'the image as it goes into the slot of the device')
    .requiredOption('--key <FILE>', 'the key of the publisher')
  addManifestOptions(addPassphraseOptions(sign))
    .requiredOption('--out <FILE>', 'where the signed image goes, as NAME.uota; never overwrites')
    .addOption(jsonOption())
    .action(withFiles(action, 1, (files, flags: SignFlags, output) => signCommand(files[0]!, flags, output)))
  const manifest = ota
    .command('manifest')
    .description('write what must be signed, for a key that this program cannot reach (HSM)')
    .argument('<IMAGE>', 'the image')
    .option('--public-key <FILE>', 'the public half of the key that will sign …')
    .addOption(new Option('--key-id <HEX>', '… or its id, 16 hex digits').conflicts('publicKey'))
  addManifestOptions(manifest)
    .requiredOption('--out <FILE>', 'where the bytes go; never overwrites')
    .addOption(jsonOption())
    .addHelpText('after', MANIFEST_HELP)
    .action(
      withFiles(action, 1, (files, flags: ManifestCommandFlags, output) => manifestCommand(files[0]!, flags, output)),
    )
  ota
    .command('attach')
    .description('put manifest, signature and image together')
    .argument('<UNSIGNED>', 'what `usmp ota manifest` wrote')
    .argument('<SIGNATURE>', 'the file with its signature: 64 bytes, or 128 hex digits')
    .argument('<IMAGE>', 'the image')
    .option('--public-key <FILE>', 'check the signature under this key')
    .requiredOption('--out <FILE>', 'where the signed image goes, as NAME.uota; never overwrites')
    .addOption(jsonOption())
    .action(withFiles(action, 3, attachCommand))
}

function defineReading(ota: Command, { action }: Actions): void {
  ota
    .command('show')
    .description('tell what a signed image says of itself; does not check the signature')
    .argument('<FILE>', 'a signed image, or a manifest alone')
    .addOption(jsonOption())
    .action(withFiles(action, 1, (files, _flags: object, output) => showCommand(files[0]!, output)))
  ota
    .command('verify')
    .description('check a signed image: form, signature, and the image itself')
    .argument('<FILE>', 'the signed image')
    .requiredOption('--public-key <FILE...>', 'the public halves of the keys that may have signed it')
    .addOption(jsonOption())
    .action(withFiles(action, 1, (files, flags: VerifyFlags, output) => verifyCommand(files[0]!, flags, output)))
}

function addPassphraseOptions(command: Command): Command {
  return command.option('--passphrase-file <FILE>', 'the passphrase of the key; asked for on the terminal otherwise')
}

/** Connects a command that has `count` files in front of its options. */
function withFiles<T>(action: Actions['action'], count: number, command: WithFiles<T>) {
  return (...args: unknown[]) => {
    const files = args.slice(0, count) as string[]
    return action<T>((flags, output) => command(files, flags, output))(args[count] as T)
  }
}
