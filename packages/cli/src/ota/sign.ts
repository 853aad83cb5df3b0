import { writeFile } from 'node:fs/promises'
import { UsmpError } from '@usmp/core'
import type { Manifest } from '@usmp/ota'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { PassphraseFlags } from '../passphrase.js'
import { assertNew, openKeyFile, readPublicKeyFile, writeBundle, writing } from './files.js'
import { type ManifestFlags, manifestFields, parseKeyId } from './manifest-options.js'
import { loadOta } from './package.js'
import { factsOf, summaryOf } from './summary.js'

export interface SignFlags extends ManifestFlags, PassphraseFlags {
  readonly key: string
  readonly out: string
}

export interface ManifestCommandFlags extends ManifestFlags {
  readonly publicKey?: string
  readonly keyId?: string
  readonly out: string
}

/** Signs an image, and writes both into one file. */
export async function signCommand(image: string, flags: SignFlags, output: Output): Promise<number> {
  const { encodeManifest } = await loadOta()
  await assertNew(flags.out)
  const fields = await manifestFields(image, flags)
  // Last, as it may ask for a passphrase: what is wrong besides is told before.
  const key = await openKeyFile(flags.key, flags)
  const manifest = encodeManifest({ ...fields, keyId: key.keyId }, (message) => key.sign(message))
  await writeBundle(flags.out, manifest, image)
  await tellSigned(flags.out, manifest, output)
  return ExitCode.OK
}

/** Writes what another program signs. */
export async function manifestCommand(image: string, flags: ManifestCommandFlags, output: Output): Promise<number> {
  const { messageToSign } = await loadOta()
  const keyId = await keyIdOfSigner(flags)
  const message = messageToSign({ ...(await manifestFields(image, flags)), keyId })
  const { out, publicKey } = flags
  await writing(out, () => writeFile(out, message, { flag: 'wx' }))
  output.status(
    `wrote the ${message.length} bytes that the key ${keyId} must sign into ${out}`,
    { event: 'unsigned', file: out, key_id: keyId, bytes: message.length },
    `Then: usmp ota attach ${out} SIGNATURE ${image} --public-key ${publicKey ?? 'FILE'} --out NAME.uota`,
  )
  return ExitCode.OK
}

/** Says what is in a bundle that was just written. */
export async function tellSigned(path: string, manifest: Manifest, output: Output): Promise<void> {
  const { formatVersion } = await loadOta()
  const { product, version } = manifest
  const summary = await summaryOf(manifest)
  output.status(
    `signed ${product} ${formatVersion(version)} with the key ${manifest.keyId} into ${path}`,
    { event: 'signed', file: path, ...(await factsOf(manifest)) },
    summary.split('\n').join('\n  '),
  )
}

async function keyIdOfSigner({ publicKey, keyId }: ManifestCommandFlags): Promise<string> {
  if (keyId !== undefined) return parseKeyId(keyId)
  if (publicKey !== undefined) return (await loadOta()).keyIdOf(await readPublicKeyFile(publicKey))
  throw new UsmpError('INVALID_ARGUMENT', 'there is no key that will sign', {
    hint: 'Give --public-key FILE, or --key-id with its id.',
  })
}
