import { UsmpError } from '@usmp/core'
import { readSecretFile } from '@usmp/node/key-files'

/** Bytes; more than any password or secret. */
const MAX_SECRET_FILE = 4096

/**
 * The text in a file of one secret, without the end of its line.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readSecretText(path: string): Promise<string> {
  const content = await readSecretFile(path, MAX_SECRET_FILE)
  const text = content.toString('utf8').replace(/\r?\n$/, '')
  content.fill(0)
  if (text !== '') return text
  throw new UsmpError('INVALID_ARGUMENT', `${path} is empty`, { hint: 'It must hold the secret as text, in one line.' })
}
