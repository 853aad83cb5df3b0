import { sha256 } from '@noble/hashes/sha2.js'
import { type Abortable, asUsmpError, equalBytes, throwIfAborted, toHex } from '@usmp/core'
import type { Manifest } from './manifest.js'
import { TransferError } from './transfer-error.js'

/** Where the bytes of an image come from: a file, or memory. */
export interface ImageSource {
  /** Bytes. */
  readonly size: number
  /** All `length` bytes from `offset`, which are inside the image. What it rejects with is IMAGE_UNREADABLE. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** The image in one array. */
export function imageOf(bytes: Uint8Array): ImageSource {
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) }
}

/** Bytes that are checked together. */
const BLOCK = 4096
/** Bytes that are kept of the hash of a block: nobody can make another block for 128 bits that were drawn from a good one. */
const KEPT = 16

/**
 * An image whose bytes are checked each time they are read.
 *
 * `open` reads the whole image once, compares its SHA-256, and keeps 16 bytes of the SHA-256 of every 4 KiB: 1/256 of its size. After
 * that a transfer reads what it needs and compares the blocks, so that a file that has changed meanwhile is noticed before a wrong byte
 * leaves. One serves any number of transfers; each takes a reader of its own.
 */
export class VerifiedImage {
  /** Bytes. */
  readonly size: number
  /** Of the whole image, lower-case hex. */
  readonly sha256: string
  readonly #source: ImageSource
  readonly #blocks: Uint8Array

  private constructor(source: ImageSource, hash: string, blocks: Uint8Array) {
    this.size = source.size
    this.sha256 = hash
    this.#source = source
    this.#blocks = blocks
  }

  /**
   * Reads the image and checks it.
   * @throws TransferError IMAGE_CHANGED if it is another image, IMAGE_UNREADABLE; UsmpError ABORTED
   */
  static async open(
    source: ImageSource,
    manifest: Pick<Manifest, 'size' | 'sha256'>,
    { signal }: Abortable = {},
  ): Promise<VerifiedImage> {
    const { size } = source
    if (size !== manifest.size) {
      throw new TransferError('IMAGE_CHANGED', `the image has ${size} bytes, its manifest says ${manifest.size}`)
    }
    const whole = sha256.create()
    const blocks = new Uint8Array(Math.ceil(size / BLOCK) * KEPT)
    for (let offset = 0; offset < size; offset += BLOCK) {
      throwIfAborted(signal)
      const block = await readFrom(source, offset, Math.min(BLOCK, size - offset))
      whole.update(block)
      blocks.set(hashOf(block), (offset / BLOCK) * KEPT)
    }
    if (!equalBytes(whole.digest(), manifest.sha256)) {
      throw new TransferError('IMAGE_CHANGED', 'the SHA-256 of the image is not that of its manifest')
    }
    return new VerifiedImage(source, toHex(manifest.sha256), blocks)
  }

  /** Reads for one transfer. */
  reader(): ImageReader {
    return new ImageReader(this.size, (index) => this.#readBlock(index))
  }

  async #readBlock(index: number): Promise<Uint8Array> {
    const offset = index * BLOCK
    const block = await readFrom(this.#source, offset, Math.min(BLOCK, this.size - offset))
    const hash = hashOf(block)
    if (!hash.every((byte, at) => byte === this.#blocks[index * KEPT + at])) {
      throw new TransferError('IMAGE_CHANGED', `the image has changed since it was checked, near byte ${offset}`)
    }
    return block
  }
}

/** Reads an image piece by piece, one read at a time; keeps the last block. */
export class ImageReader {
  readonly #size: number
  readonly #readBlock: (index: number) => Promise<Uint8Array>
  #kept: { readonly index: number; readonly block: Uint8Array } | undefined

  constructor(size: number, readBlock: (index: number) => Promise<Uint8Array>) {
    this.#size = size
    this.#readBlock = readBlock
  }

  /**
   * Checked bytes, a copy.
   * @throws TransferError IMAGE_CHANGED, IMAGE_UNREADABLE; RangeError outside the image
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || length < 0 || offset + length > this.#size) throw new RangeError('outside the image')
    const out = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const at = offset + done
      const block = await this.#block(Math.floor(at / BLOCK))
      const part = block.subarray(at % BLOCK, Math.min(block.length, (at % BLOCK) + length - done))
      out.set(part, done)
      done += part.length
    }
    return out
  }

  async #block(index: number): Promise<Uint8Array> {
    if (this.#kept?.index !== index) this.#kept = { index, block: await this.#readBlock(index) }
    return this.#kept.block
  }
}

function hashOf(block: Uint8Array): Uint8Array {
  return sha256(block).subarray(0, KEPT)
}

/** @throws TransferError IMAGE_UNREADABLE */
async function readFrom(source: ImageSource, offset: number, length: number): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await source.read(offset, length)
  } catch (cause) {
    throw new TransferError(
      'IMAGE_UNREADABLE',
      `the image cannot be read: ${asUsmpError(cause, 'INVALID_ARGUMENT').message}`,
      { cause },
    )
  }
  if (bytes.length === length) return bytes
  throw new TransferError('IMAGE_CHANGED', `the image has ended at byte ${offset + bytes.length}`)
}
