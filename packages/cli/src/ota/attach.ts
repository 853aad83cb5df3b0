import { fromHex, UsmpError } from '@usmp/core'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { readPublicKeyFile, readSmallFile, readUnsigned, writeBundle } from './files.js'
import { assertSigned } from './show.js'
import { tellSigned } from './sign.js'

export interface AttachFlags {
  readonly publicKey?: string
  readonly out: string
}

const SIGNATURE_SIZE = 64

/** Puts together what `usmp ota manifest` wrote, the signature that another program made, and the image. */
export async function attachCommand(files: readonly string[], flags: AttachFlags, output: Output): Promise<number> {
  const [unsigned, signature, image] = files as [string, string, string]
  const manifest = await readUnsigned(unsigned, await readSignature(signature))
  if (flags.publicKey !== undefined) await assertSigned(manifest, [await readPublicKeyFile(flags.publicKey)])
  await writeBundle(flags.out, manifest, image)
  await tellSigned(flags.out, manifest, output)
  if (flags.publicKey === undefined) {
    output.warning('the signature was not checked: --public-key FILE checks it, and `usmp ota verify` does')
  }
  return ExitCode.OK
}

async function readSignature(path: string): Promise<Uint8Array> {
  const content = await readSmallFile(path)
  if (content.length === SIGNATURE_SIZE) return content
  const text = Buffer.from(content).toString('latin1').trim()
  if (/^[0-9a-fA-F]{128}$/.test(text)) return fromHex(text)
  throw new UsmpError('INVALID_ARGUMENT', `${path} is no signature`, {
    hint: 'It must be the 64 bytes of an Ed25519 signature, or these as 128 hex digits.',
  })
}
