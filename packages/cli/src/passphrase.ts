import { UsmpError } from '@usmp/core'
import { askHidden } from './hidden-input.js'
import { readSecretText } from './secret-text.js'

/** Where a passphrase comes from: a file, or the person at the terminal. Never the command line. */
export interface PassphraseFlags {
  readonly passphraseFile?: string
}

/**
 * The passphrase that opens something.
 * @param what it opens, for the question: `the identity`
 * @throws UsmpError INVALID_ARGUMENT, ABORTED
 */
export async function askPassphrase({ passphraseFile }: PassphraseFlags, what: string): Promise<string> {
  return passphraseFile === undefined ? askHidden(`passphrase of ${what}`) : readSecretText(passphraseFile)
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
