import { randomBytes } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { readPskFile, writeSecretFile } from '@usmp/node/key-files'
import { storeFailed } from './failure.js'
import { exists, syncFolder } from './files.js'
import { FileKeySealing } from './key-sealing.js'

/** A new key file of 64 hex digits that only its owner can read, in a place where there is none. @throws UsmpError INVALID_ARGUMENT */
export async function makeKeyFile(path: string): Promise<void> {
  const key = randomBytes(32)
  const text = Buffer.from(`${key.toString('hex')}\n`)
  // Whole or not at all: half a key file would stand in the way of the next start.
  const part = `${path}.part`
  try {
    await rm(part, { force: true })
    await writeSecretFile(part, text)
    await rename(part, path)
    await syncFolder(dirname(resolve(path)))
  } finally {
    key.fill(0)
    text.fill(0)
  }
}

/**
 * The sealing by a key file that must be there.
 * @throws GatewayError STORE_FAILED if it is missing; UsmpError INVALID_ARGUMENT, WEAK_PSK if it is no key file
 */
export async function readKeyFile(path: string): Promise<FileKeySealing> {
  if (await exists(path)) return new FileKeySealing(await readPskFile(path))
  throw storeFailed(
    `the key file ${path} of the store is missing`,
    'The keys of the devices are sealed by it, and a new one does not open them. Put the file back, or name it by the option for the key file.',
  )
}
