import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, MIN_MANIFEST_SIZE, manifestSize, OtaError, parseManifest } from '@usmp/ota'
import { GatewayError } from '../errors.js'
import { fileFailed, storeFailed } from '../store/failure.js'
import { syncFolder } from '../store/files.js'

const PART = /^upload-[0-9a-f]{16}\.part$/
const HEAD = 512
const BLOCK = 64 * 1024

/** A bundle that has come, under a name of its own until it is kept or dropped. */
export interface ReceivedBundle {
  /** SHA-256 of the signed manifest, hex. */
  readonly id: string
  readonly manifest: Manifest
  /** Gives it its name, durably; one that is there already is replaced. @throws GatewayError STORE_FAILED */
  keep(): Promise<void>
  drop(): Promise<void>
}

/** An image that is read, by offset. */
export interface OpenImage {
  readonly size: number
  /** All of these bytes. @throws Error if the file has ended before, or cannot be read */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * The folder of the images. The name of a file is the SHA-256 of the signed manifest in it, so what has a name never changes: it is
 * written under another one, read again and checked, and only then gets its own.
 */
export class ImageFiles {
  readonly #folder: string

  /** @param folder made when the first image comes */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Removes what uploads have left that were cut short. Never rejects. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [] as string[])
    for (const name of names.filter((each) => PART.test(each)))
      await rm(join(this.#folder, name), { force: true }).catch(() => {})
  }

  /**
   * Writes a bundle, and checks that its image is that of its manifest. The signature is the caller's.
   * @throws GatewayError INVALID if it is no bundle, STORE_FAILED; what `bundle` throws
   */
  async receive(bundle: AsyncIterable<Uint8Array>): Promise<ReceivedBundle> {
    const part = join(this.#folder, `upload-${randomBytes(8).toString('hex')}.part`)
    const drop = () => rm(part, { force: true }).catch(() => {})
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 }).catch((error) => fail('write', part, error))
      await write(part, bundle)
      const manifest = await checkBundle(part)
      const id = createHash('sha256').update(manifest.bytes).digest('hex')
      return { id, manifest, drop, keep: () => this.#keep(part, id) }
    } catch (error) {
      await drop()
      throw error instanceof OtaError ? invalid(error) : error
    }
  }

  /**
   * Opens the image of a bundle. Its bytes are not checked here.
   * @param size of the image, as its record has it
   * @throws GatewayError STORE_FAILED if the file cannot be opened
   */
  async open(id: string, size: number): Promise<OpenImage> {
    const path = this.#path(id)
    let file: FileHandle
    try {
      file = await open(path, 'r')
    } catch (error) {
      throw fileFailed('read', path, error)
    }
    try {
      const start = (await file.stat()).size - size
      return { size, read: (offset, length) => readAll(file, start + offset, length), close: () => file.close() }
    } catch (error) {
      await file.close()
      throw fileFailed('read', path, error)
    }
  }

  /**
   * The signed manifest of a bundle.
   * @throws GatewayError STORE_FAILED if the file is gone, or its beginning is not what its name says
   */
  async manifest(id: string, size: number): Promise<Uint8Array> {
    const path = this.#path(id)
    try {
      const file = await open(path, 'r')
      try {
        const length = (await file.stat()).size - size
        const bytes = length > 0 && length <= HEAD ? await readAll(file, 0, length) : new Uint8Array()
        if (createHash('sha256').update(bytes).digest('hex') === id) return bytes
      } finally {
        await file.close()
      }
    } catch (error) {
      throw fileFailed('read', path, error)
    }
    throw storeFailed(`${path} is not the image that it was`, 'Somebody has changed the file: upload the bundle again.')
  }

  /** @throws GatewayError STORE_FAILED */
  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true }).catch((error) => fail('write', this.#path(id), error))
  }

  async #keep(part: string, id: string): Promise<void> {
    const path = this.#path(id)
    try {
      await rename(part, path)
      await syncFolder(this.#folder)
    } catch (error) {
      fail('write', path, error)
    }
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.uota`)
  }
}

async function write(path: string, bundle: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error) => fail('write', path, error))
  try {
    for await (const chunk of bundle) await file.writeFile(chunk).catch((error) => fail('write', path, error))
    await file.sync().catch((error) => fail('write', path, error))
  } finally {
    await file.close()
  }
}

/** @throws OtaError MALFORMED, WRONG_IMAGE; GatewayError STORE_FAILED */
async function checkBundle(path: string): Promise<Manifest> {
  const file = await open(path, 'r').catch((error) => fail('read', path, error))
  try {
    const { size } = await file.stat()
    if (size < MIN_MANIFEST_SIZE) throw new OtaError('MALFORMED', `${size} bytes are no bundle`)
    const head = await readAll(file, 0, Math.min(size, HEAD))
    const length = manifestSize(head)
    const manifest = parseManifest(head.subarray(0, length))
    if (size - length !== manifest.size) {
      throw new OtaError('WRONG_IMAGE', `the image has ${size - length} bytes; the manifest says ${manifest.size}`)
    }
    const hash = createHash('sha256')
    for (let offset = length; offset < size; offset += BLOCK) {
      hash.update(await readAll(file, offset, Math.min(BLOCK, size - offset)))
    }
    if (hash.digest().equals(manifest.sha256)) return manifest
    throw new OtaError('WRONG_IMAGE', 'the SHA-256 of the image is not that of the manifest')
  } finally {
    await file.close()
  }
}

async function readAll(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) return bytes.subarray(0, done)
    done += bytesRead
  }
  return bytes
}

function invalid(error: OtaError): GatewayError {
  return new GatewayError('INVALID', `This is no bundle that can be taken: ${error.message}.`, {
    hint: 'Upload the file NAME.uota as `usmp ota sign` has written it; copy it again if it was cut.',
    cause: error,
  })
}

function fail(action: 'read' | 'write', path: string, error: unknown): never {
  throw fileFailed(action, path, error)
}
