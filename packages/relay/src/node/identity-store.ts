import { UsmpError } from '@usmp/core'
import type { Identity } from '../identity.js'
import { MAX_IDENTITY_FILE, openIdentity, readIdentityHeader, sealIdentity } from '../identity-file.js'
import { changePrivateFile, readPrivateFile } from './private-file.js'

/** Options of {@link writeIdentityFile}. */
export interface WriteIdentityOptions {
  /** Seals the file; without it, whoever can read the file has the identity. */
  readonly passphrase?: string | undefined
  /** Whether a file that is there may be replaced, as for a new passphrase. Default false: an identity is not made twice. */
  readonly replace?: boolean
}

/**
 * The identity in a file that its owner alone can read.
 * @param passphrase asked only if the file is sealed
 * @returns undefined if there is no such file
 * @throws UsmpError INVALID_ARGUMENT, also if other users can read the file; `WrongPassphrase`, which has the same code; what
 * `passphrase` throws
 */
export async function readIdentityFile(
  path: string,
  passphrase?: () => string | Promise<string>,
): Promise<Identity | undefined> {
  const text = await readPrivateFile(path, MAX_IDENTITY_FILE)
  if (text === undefined) return undefined
  const { sealed } = readIdentityHeader(text)
  return openIdentity(text, sealed ? await passphrase?.() : undefined)
}

/**
 * Writes an identity to a file that its owner alone can read. Others see the old file or the new one, never a part.
 * @throws UsmpError INVALID_ARGUMENT, also if the file is there and shall not be replaced
 */
export async function writeIdentityFile(
  path: string,
  identity: Identity,
  { passphrase, replace = false }: WriteIdentityOptions = {},
): Promise<void> {
  const text = await sealIdentity(identity, passphrase)
  await changePrivateFile(path, MAX_IDENTITY_FILE, (before) => {
    if (before === undefined || replace) return text
    throw new UsmpError('INVALID_ARGUMENT', `${path} exists already and is not overwritten`, {
      hint: 'It is an identity that other peers may know. Choose another name for the new one.',
    })
  })
}
