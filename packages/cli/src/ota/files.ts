import { access, open } from 'node:fs/promises'
import { UsmpError } from '@usmp/core'
import { fileError, readSecretFile } from '@usmp/node/key-files'
import type { Manifest, OtaError } from '@usmp/ota'
import type { ImageFacts, PublisherKey } from '@usmp/ota/node'
import { isOtaError, WrongPassphrase } from '../exit-code.js'
import { askPassphrase, type PassphraseFlags } from '../passphrase.js'
import { loadNode, loadOta } from './package.js'

/** Bytes; more than any key in PEM has. */
const MAX_KEY_FILE = 4096
/** Bytes; more than a manifest and more than a signature in hex has. */
const MAX_SMALL_FILE = 4096
/** What a manifest, and so a bundle, begins with. */
const MAGIC = 'UOTA'
/** What somebody can do who has forgotten the passphrase. */
const KEY_LOST = 'Without its passphrase a key is lost: sign with another one that the devices trust.'

/**
 * Opens the key of a publisher; asks for its passphrase if it has one. Warns if others can read or change the file.
 * @throws UsmpError INVALID_ARGUMENT, ABORTED; WrongPassphrase
 */
export async function openKeyFile(path: string, flags: PassphraseFlags): Promise<PublisherKey> {
  const { PublisherKey, WrongKeyPassphrase } = await loadNode()
  const content = await readSecretFile(path, MAX_KEY_FILE)
  const pem = content.toString('latin1')
  content.fill(0)
  try {
    const passphrase = PublisherKey.isEncrypted(pem) ? await askPassphrase(flags, path) : undefined
    return PublisherKey.fromPem(pem, passphrase)
  } catch (error) {
    if (error instanceof WrongKeyPassphrase) throw new WrongPassphrase(path, KEY_LOST, error)
    throw inFile(path, error)
  }
}

/**
 * The public key in a file, 32 bytes.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readPublicKeyFile(path: string): Promise<Uint8Array> {
  const { parsePublicKey } = await loadOta()
  const text = await readKeyText(path)
  try {
    return parsePublicKey(text)
  } catch (error) {
    throw inFile(path, error)
  }
}

/**
 * Size and SHA-256 of an image file.
 * @throws UsmpError INVALID_ARGUMENT, also for a file that is signed already: no device starts a manifest
 */
export async function imageFacts(path: string): Promise<ImageFacts> {
  const { hashImageFile } = await loadNode()
  if ((await readStart(path, MAGIC.length)).toString('latin1') === MAGIC) {
    throw new UsmpError('INVALID_ARGUMENT', `${path} is signed already`, {
      hint: 'Take the image that it was made of, as your build wrote it.',
    })
  }
  return reading(path, () => hashImageFile(path))
}

/**
 * The manifest of a bundle whose image is right.
 * @throws UsmpError INVALID_ARGUMENT; OtaError MALFORMED, WRONG_IMAGE
 */
export async function readBundle(path: string): Promise<Manifest> {
  const { readBundleFile } = await loadNode()
  return (await reading(path, () => readBundleFile(path))).manifest
}

/**
 * The manifest at the beginning of a file.
 * @throws UsmpError INVALID_ARGUMENT; OtaError MALFORMED
 */
export async function readManifest(path: string): Promise<Manifest> {
  const { readManifestFile } = await loadNode()
  return reading(path, () => readManifestFile(path))
}

/**
 * Writes a bundle into a new file.
 * @throws UsmpError INVALID_ARGUMENT; OtaError WRONG_IMAGE
 */
export async function writeBundle(path: string, manifest: Manifest, image: string): Promise<void> {
  const { writeBundleFile } = await loadNode()
  await writing(path, () => writeBundleFile(path, manifest, image))
}

/**
 * That nothing is there yet, so that nobody types a passphrase for what cannot be written.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function assertNew(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) throw existsAlready(path)
}

/** What an action on a file fails with, told of this file. */
export async function reading<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (isOtaError(error) && error.code === 'MALFORMED') throw await noUpdate(path, error)
    throw isOwn(error) ? error : fileError('read', path, error)
  }
}

/** The same for a new file. */
export async function writing<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw existsAlready(path, cause)
    throw isOwn(cause) ? cause : fileError('write', path, cause)
  }
}

/**
 * What `usmp ota manifest` wrote, with a signature of 64 bytes.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readUnsigned(path: string, signature: Uint8Array): Promise<Manifest> {
  const { attachSignature } = await loadOta()
  return attachSignature(await readSmallFile(path), signature)
}

/** @throws UsmpError INVALID_ARGUMENT for more than 4096 bytes */
export async function readSmallFile(path: string): Promise<Uint8Array> {
  const content = await readStart(path, MAX_SMALL_FILE + 1)
  if (content.length <= MAX_SMALL_FILE) return new Uint8Array(content)
  throw new UsmpError('INVALID_ARGUMENT', `${path} has more than ${MAX_SMALL_FILE} bytes`, {
    hint: 'Is the order of the files right? First what `usmp ota manifest` wrote, then its signature, then the image.',
  })
}

/** A file of a key, as it stands there: the secret half, or the public one, which all may read. */
export async function readKeyText(path: string): Promise<string> {
  return (await readStart(path, MAX_KEY_FILE)).toString('latin1')
}

/** What a file begins with: at most so many bytes. */
export function readStart(path: string, length: number): Promise<Buffer> {
  return reading(path, async () => {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, null)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  })
}

function existsAlready(path: string, cause?: unknown): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', `${path} exists already and is not overwritten`, {
    cause,
    hint: 'Choose another name, or remove the file yourself. If it is a key: it is needed for as long as devices trust it.',
  })
}

/** A file that is no signed image: most likely one that nobody has signed yet. */
async function noUpdate(path: string, cause: OtaError): Promise<OtaError> {
  const { OtaError } = await loadOta()
  return new OtaError('MALFORMED', `${path} is no signed image: ${cause.message}`, {
    hint: '`usmp ota sign` makes one from the image of a build. If it was one, it is damaged: take it from the publisher again.',
  })
}

function isOwn(error: unknown): boolean {
  return error instanceof UsmpError || isOtaError(error)
}

/** The same error, with the name of the file in front. */
function inFile(path: string, error: unknown): unknown {
  if (!(error instanceof UsmpError) || error.code !== 'INVALID_ARGUMENT') return error
  return new UsmpError('INVALID_ARGUMENT', `${path}: ${error.message.replace(/^an argument is not usable: /, '')}`, {
    cause: error,
    hint: error.hint,
  })
}
