import type { Manifest } from '@usmp/ota'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { readBundle, readManifest, readPublicKeyFile, readStart, readUnsigned } from './files.js'
import { loadOta } from './package.js'
import { factsOf, summaryOf } from './summary.js'

export interface VerifyFlags {
  readonly publicKey: readonly string[]
}

/** What a manifest begins with that waits for its signature. */
const DOMAIN = 'usmp-ota-v1\0'
/** Of nobody. */
const NO_SIGNATURE = new Uint8Array(64)

/** Tells what a bundle or a manifest says of itself, signed or not. */
export async function showCommand(file: string, output: Output): Promise<number> {
  const isUnsigned = (await readStart(file, DOMAIN.length)).toString('latin1') === DOMAIN
  const manifest = await (isUnsigned ? readUnsigned(file, NO_SIGNATURE) : readManifest(file))
  await output.result(await summaryOf(manifest), { event: 'manifest', ...(await factsOf(manifest)) })
  if (isUnsigned) {
    output.status('nobody has signed it yet', { event: 'unsigned' }, 'Sign the whole file, then: usmp ota attach')
    return ExitCode.OK
  }
  output.status(
    'the signature was not checked',
    { event: 'not-checked' },
    `Everybody can write this. To check it: usmp ota verify ${file} --public-key FILE`,
  )
  return ExitCode.OK
}

/** Checks a bundle: its form, the signature, and the image. */
export async function verifyCommand(file: string, flags: VerifyFlags, output: Output): Promise<number> {
  const keys: Uint8Array[] = []
  for (const path of flags.publicKey) keys.push(await readPublicKeyFile(path))
  const manifest = await readBundle(file)
  await assertSigned(manifest, keys)
  await output.result(`good: signed with the key ${manifest.keyId}, and the image is the one that was signed`, {
    event: 'verified',
    ...(await factsOf(manifest)),
  })
  return ExitCode.OK
}

/**
 * Checks that a manifest is signed with one of these keys.
 * @throws OtaError UNKNOWN_KEY, BAD_SIGNATURE
 */
export async function assertSigned(manifest: Manifest, keys: readonly Uint8Array[]): Promise<void> {
  const { keyIdOf, OtaError, verifyManifest } = await loadOta()
  const key = keys.find((candidate) => keyIdOf(candidate) === manifest.keyId)
  if (!key) {
    const given = keys.map(keyIdOf).join(', ')
    throw new OtaError('UNKNOWN_KEY', `it says that the key ${manifest.keyId} has signed it; given was ${given}`, {
      hint: 'Give the public half of that key, if you trust it.',
    })
  }
  if (!verifyManifest(manifest, key)) {
    throw new OtaError('BAD_SIGNATURE', `the signature is not one of the key ${manifest.keyId}`)
  }
}
