import { UsmpError } from '@usmp/core'
import { readSecretText } from '../secret-text.js'
import { askHidden } from './hidden-input.js'

/** Where the passphrase of an identity comes from: a file, or whoever sits at the terminal. Never the command line. */
export interface PassphraseFlags {
  readonly passphraseFile?: string
}

/**
 * The passphrase that opens an identity.
 * @throws UsmpError INVALID_ARGUMENT, ABORTED
 */
export async function askPassphrase({ passphraseFile }: PassphraseFlags): Promise<string> {
  return passphraseFile === undefined ? askHidden('passphrase of the identity') : readSecretText(passphraseFile)
}

/**
 * A new passphrase; on a terminal it is asked for twice. Empty for none.
 * @throws UsmpError INVALID_ARGUMENT, ABORTED
 */
export async function askNewPassphrase(file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecretText(file)
  const passphrase = await askHidden('new passphrase (empty for none)')
  if (passphrase === (await askHidden('new passphrase once more'))) return passphrase
  throw new UsmpError('INVALID_ARGUMENT', 'the two passphrases differ; nothing was changed', {
    hint: 'Type the same one twice.',
  })
}
