import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, equalBytes } from '@usmp/core'
import { OtaError } from './errors.js'
import { type Manifest, manifestSize, parseManifest } from './manifest.js'

/** A signed manifest and the image that it is about: what is in a file `NAME.uota`. */
export interface Bundle {
  readonly manifest: Manifest
  /** A view of the bytes that were given. */
  readonly image: Uint8Array
}

/**
 * Takes a bundle apart and compares the image with the manifest: size and SHA-256. The signature is not checked.
 * @throws OtaError MALFORMED for the manifest; WRONG_IMAGE
 */
export function splitBundle(bytes: Uint8Array): Bundle {
  const size = manifestSize(bytes)
  const manifest = parseManifest(bytes.subarray(0, size))
  const image = bytes.subarray(size)
  if (image.length !== manifest.size) {
    throw new OtaError('WRONG_IMAGE', `the image has ${image.length} bytes; the manifest says ${manifest.size}`)
  }
  if (!equalBytes(sha256(image), manifest.sha256)) {
    throw new OtaError('WRONG_IMAGE', 'the SHA-256 of the image is not that of the manifest')
  }
  return { manifest, image }
}

/** The bytes of a bundle: the signed manifest, then the image. */
export function joinBundle(manifest: Manifest, image: Uint8Array): Uint8Array {
  return concatBytes(manifest.bytes, image)
}
