import { UsmpError } from '@usmp/core'
import type { NewManifest } from '@usmp/ota'
import type { Command } from 'commander'
import { imageFacts, readPublicKeyFile } from './files.js'
import { loadOta } from './package.js'

/** What a publisher says of an image on the command line. */
export interface ManifestFlags {
  readonly product: string
  readonly chip: string
  readonly version: string
  readonly counter: number
  readonly leastVersion?: string
  readonly notAfter?: string
  readonly name?: string
  readonly nextKey?: string
  readonly revoke?: readonly string[]
}

export function addManifestOptions(command: Command): Command {
  return command
    .requiredOption('--product <NAME>', 'the product, 1 to 16 ASCII characters')
    .requiredOption('--chip <NAME>', 'the chip or board, such as esp32c3: 1 to 8 ASCII characters')
    .requiredOption('--version <X.Y.Z>', 'the version of the image')
    .requiredOption(
      '--counter <NUMBER>',
      'the security counter: raise it when no device may go back behind this image any more',
      parseCounter,
    )
    .option('--least-version <X.Y.Z>', 'only devices that run this version or a later one take it')
    .option('--not-after <YYYY-MM-DD>', 'the last day on which devices that know the date take it')
    .option('--name <TEXT>', 'what people call it, at most 32 bytes')
    .option('--next-key <FILE>', 'a public key that devices trust too, once they have confirmed the image')
    .option('--revoke <ID...>', 'ids of keys that devices trust no more then, at most 8')
}

/** What a manifest says before anybody is known to sign it. */
export type UnsignedFields = Omit<NewManifest, 'keyId'>

/**
 * The fields of a manifest for an image file.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function manifestFields(image: string, flags: ManifestFlags): Promise<UnsignedFields> {
  const { parseDay, parseVersion } = await loadOta()
  const { product, chip, version, counter, leastVersion, notAfter, name = '', nextKey, revoke = [] } = flags
  const given = {
    product,
    chip,
    version: parseVersion(version),
    counter,
    leastVersion: leastVersion === undefined ? 0 : parseVersion(leastVersion),
    notAfter: notAfter === undefined ? 0 : parseDay(notAfter),
    name,
    revokedKeys: revoke.map(parseKeyId),
  }
  // The image last: it may be large, and a wrong option is told at once.
  const next = nextKey === undefined ? {} : { nextKey: await readPublicKeyFile(nextKey) }
  return { ...given, ...next, ...(await imageFacts(image)) }
}

/** The id of a key, in lower-case hex. */
export function parseKeyId(text: string): string {
  if (/^[0-9a-f]{16}$/i.test(text)) return text.toLowerCase()
  throw new UsmpError('INVALID_ARGUMENT', `"${text.slice(0, 40)}" is not the id of a key`, {
    hint: 'It is 16 hex digits; `usmp ota public FILE` tells it.',
  })
}

function parseCounter(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value <= 0xffff_ffff) return value
  throw new UsmpError('INVALID_ARGUMENT', '--counter must be a number from 0 to 4294967295')
}
