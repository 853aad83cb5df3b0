import { createHash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { equalBytes, UsmpError } from '@usmp/core'
import { OtaError } from '../errors.js'
import { MAX_MANIFEST_SIZE, type Manifest, manifestSize, parseManifest } from '../manifest.js'

/** Bytes that are read at once. */
const BLOCK = 64 * 1024
const MAX_IMAGE_SIZE = 0xffff_ffff

/** What a manifest says of an image. */
export interface ImageFacts {
  /** Bytes. */
  readonly size: number
  /** 32 bytes. */
  readonly sha256: Uint8Array
}

/** A bundle (`NAME.uota`) whose image is that of its manifest. Whether the signature is good has not been looked at. */
export interface BundleFile {
  readonly manifest: Manifest
  /** Where the image begins, bytes from the start of the file. */
  readonly imageOffset: number
}

/**
 * Size and SHA-256 of an image file, read in blocks of 64 KiB.
 * @throws UsmpError INVALID_ARGUMENT for an empty file and one of 4 GiB; errors of the file system as they are
 */
export async function hashImageFile(path: string): Promise<ImageFacts> {
  const file = await open(path)
  try {
    const facts = await hashFrom(file, 0)
    if (facts.size === 0 || facts.size > MAX_IMAGE_SIZE) {
      throw new UsmpError('INVALID_ARGUMENT', `${path} has ${facts.size} bytes; an image has 1 byte to 4 GiB`)
    }
    return facts
  } finally {
    await file.close()
  }
}

/**
 * Reads the manifest of a bundle file, and compares the image behind it with its size and SHA-256.
 * @throws OtaError MALFORMED, WRONG_IMAGE; errors of the file system as they are
 */
export async function readBundleFile(path: string): Promise<BundleFile> {
  const file = await open(path)
  try {
    const manifest = await readManifest(file)
    const imageOffset = manifest.bytes.length
    assertSameImage(await hashFrom(file, imageOffset), manifest)
    return { manifest, imageOffset }
  } finally {
    await file.close()
  }
}

/**
 * Reads the manifest at the beginning of a file: a bundle, or a manifest alone.
 * @throws OtaError MALFORMED; errors of the file system as they are
 */
export async function readManifestFile(path: string): Promise<Manifest> {
  const file = await open(path)
  try {
    return await readManifest(file)
  } finally {
    await file.close()
  }
}

/**
 * Writes a bundle into a new file. The image is compared with the manifest while it is copied, and what was written is removed if
 * anything fails.
 * @throws OtaError WRONG_IMAGE; errors of the file system as they are, EEXIST if the file is there already
 */
export async function writeBundleFile(path: string, manifest: Manifest, imagePath: string): Promise<void> {
  const image = await open(imagePath)
  try {
    const file = await open(path, 'wx')
    try {
      await file.write(manifest.bytes)
      assertSameImage(await hashFrom(image, 0, file), manifest)
      await file.sync()
    } catch (error) {
      await rm(path, { force: true })
      throw error
    } finally {
      await file.close()
    }
  } finally {
    await image.close()
  }
}

async function readManifest(file: FileHandle): Promise<Manifest> {
  const head = Buffer.alloc(MAX_MANIFEST_SIZE)
  const { bytesRead } = await file.read(head, 0, head.length, 0)
  const there = head.subarray(0, bytesRead)
  return parseManifest(there.subarray(0, manifestSize(there)))
}

/** Size and SHA-256 of what is in a file from `start` on. Also appends it to `copy`, if given. */
async function hashFrom(file: FileHandle, start: number, copy?: FileHandle): Promise<ImageFacts> {
  const hash = createHash('sha256')
  const block = Buffer.alloc(BLOCK)
  let size = 0
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK, start + size)
    if (bytesRead === 0) return { size, sha256: new Uint8Array(hash.digest()) }
    const part = block.subarray(0, bytesRead)
    hash.update(part)
    await copy?.appendFile(part)
    size += bytesRead
  }
}

function assertSameImage(found: ImageFacts, { size, sha256 }: ImageFacts): void {
  if (found.size !== size) {
    throw new OtaError('WRONG_IMAGE', `the image has ${found.size} bytes; the manifest says ${size}`)
  }
  if (!equalBytes(found.sha256, sha256)) {
    throw new OtaError('WRONG_IMAGE', 'the SHA-256 of the image is not that of the manifest')
  }
}
