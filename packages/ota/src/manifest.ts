import { UsmpError } from '@usmp/core'
import { SIGNATURE_SIZE, signMessage, verifySignature } from './ed25519.js'
import { OtaError } from './errors.js'
import { FIXED_SIZE, MAX_SIGNED_SIZE, readSignedPart, writeSignedPart } from './signed-part.js'
import { utf8 } from './text.js'

/** Bytes of the shortest and of the longest signed manifest. */
export const MIN_MANIFEST_SIZE = FIXED_SIZE + SIGNATURE_SIZE
export const MAX_MANIFEST_SIZE = MAX_SIGNED_SIZE + SIGNATURE_SIZE
/** Stands before the signed part in what is signed, so that no signature for anything else is one for an update. */
const DOMAIN = utf8('usmp-ota-v1\0')

/** What a publisher says about an image (specification, section 13.2). */
export interface ManifestFields {
  /** The id of the key that signs, 16 hex digits; see `keyIdOf`. */
  readonly keyId: string
  /** 1 to 16 printable ASCII characters without blanks. */
  readonly product: string
  /** The chip or board, such as `esp32c3`: 1 to 8 of these characters. */
  readonly chip: string
  /** Packed, see `parseVersion`. */
  readonly version: number
  /** The security counter, 32 bits: a device takes no update with a lower one than it has confirmed. */
  readonly counter: number
  /** The lowest version that may update from itself to this one, packed; 0: any. */
  readonly leastVersion: number
  /** Bytes of the image, from 1; 32 bits. */
  readonly size: number
  /** Of the whole image, 32 bytes. */
  readonly sha256: Uint8Array
  /** The last day on which it is taken, days since 2020-01-01; 0: no date. */
  readonly notAfter: number
  /** What the publisher calls it, at most 32 bytes in UTF-8; empty for nothing. */
  readonly name: string
  /** A key that devices trust too once they have confirmed this image, 32 bytes. */
  readonly nextKey?: Uint8Array | undefined
  /** Ids of keys that devices trust no longer then: at most 8. */
  readonly revokedKeys: readonly string[]
  /** Fields of a later format that may be skipped, by rising type; see {@link Extension}. */
  readonly extensions: readonly Extension[]
}

/** What has a default when a manifest is made: nothing. */
type Optional = 'leastVersion' | 'notAfter' | 'name' | 'nextKey' | 'revokedKeys' | 'extensions'
/** The fields of a manifest that is to be made; what is left out is not in it. */
export type NewManifest = Omit<ManifestFields, Optional> & Partial<Pick<ManifestFields, Optional>>

/** A field that this version does not know and that may be skipped. */
export interface Extension {
  /** 0 to 0x7f, and none of the known ones. */
  readonly type: number
  /** At most 255 bytes. */
  readonly value: Uint8Array
}

/** A manifest with its signature. It is well-formed; nobody has proven yet that it is genuine. */
export interface Manifest extends ManifestFields {
  /** The signed part and the signature, as they came: 160 to 512 bytes. */
  readonly bytes: Uint8Array
}

/**
 * Reads a signed manifest. Takes time in proportion to its length, whatever is in it.
 * @param bytes exactly one manifest, 160 to 512 bytes; copied
 * @throws OtaError MALFORMED, and nothing else
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const size = manifestSize(bytes)
  if (bytes.length !== size) {
    throw new OtaError('MALFORMED', `the manifest says that it has ${size} bytes, and there are ${bytes.length}`)
  }
  const own = new Uint8Array(bytes)
  return { ...readSignedPart(own.subarray(0, size - SIGNATURE_SIZE)), bytes: own }
}

/**
 * How many bytes a signed manifest has, by its first ones: what follows it in a bundle is the image.
 * @param head at least 8 bytes
 * @returns 160 to 512
 * @throws OtaError MALFORMED if no manifest begins so
 */
export function manifestSize(head: Uint8Array): number {
  if (head.length < 8) throw new OtaError('MALFORMED', `${head.length} bytes are no manifest`)
  if (head[0] !== 0x55 || head[1] !== 0x4f || head[2] !== 0x54 || head[3] !== 0x41) {
    throw new OtaError('MALFORMED', 'it does not begin with "UOTA"')
  }
  if (head[4] !== 1) throw new OtaError('MALFORMED', `its format is ${head[4]}; this version knows 1`)
  if (head[5] !== 0) throw new OtaError('MALFORMED', 'it has flags that this version does not know')
  const signed = head[6]! | (head[7]! << 8)
  if (signed < FIXED_SIZE || signed > MAX_SIGNED_SIZE) {
    throw new OtaError('MALFORMED', `a signed part has ${FIXED_SIZE} to ${MAX_SIGNED_SIZE} bytes, not ${signed}`)
  }
  return signed + SIGNATURE_SIZE
}

/**
 * The bytes that a publisher signs: the domain, and the signed part of a manifest with these fields.
 * @returns 108 to 460 bytes
 * @throws UsmpError INVALID_ARGUMENT naming the field that cannot be
 */
export function messageToSign(fields: NewManifest): Uint8Array {
  const nothing = { leastVersion: 0, notAfter: 0, name: '', revokedKeys: [], extensions: [] }
  return withDomain(writeSignedPart({ ...nothing, ...fields }))
}

/**
 * A signed manifest, of the message that was signed and its signature: how a key that nobody can read, as in an HSM, signs.
 * @param message what {@link messageToSign} made
 * @param signature 64 bytes
 * @throws UsmpError INVALID_ARGUMENT if the message is none, or the signature has another length
 */
export function attachSignature(message: Uint8Array, signature: Uint8Array): Manifest {
  if (!DOMAIN.every((byte, index) => message[index] === byte)) {
    throw new UsmpError('INVALID_ARGUMENT', 'this is no manifest that waits for its signature', {
      hint: '`usmp ota manifest` writes one.',
    })
  }
  if (signature.length !== SIGNATURE_SIZE) {
    throw new UsmpError('INVALID_ARGUMENT', `a signature has 64 bytes, not ${signature.length}`, {
      hint: 'Ed25519 as RFC 8032 has it, and as raw bytes.',
    })
  }
  const bytes = new Uint8Array(message.length - DOMAIN.length + SIGNATURE_SIZE)
  bytes.set(message.subarray(DOMAIN.length))
  bytes.set(signature, message.length - DOMAIN.length)
  try {
    return parseManifest(bytes)
  } catch (error) {
    throw new UsmpError('INVALID_ARGUMENT', `the manifest is not one: ${(error as OtaError).message}`, { cause: error })
  }
}

/**
 * Signs a manifest with these fields.
 * @param sign gives the Ed25519 signature of its argument, 64 bytes
 * @throws UsmpError INVALID_ARGUMENT naming the field that cannot be; what `sign` throws
 */
export function encodeManifest(fields: NewManifest, sign: (message: Uint8Array) => Uint8Array): Manifest {
  const message = messageToSign(fields)
  return attachSignature(message, sign(message))
}

/**
 * Signs a manifest with a secret key in memory, for tests and simulators.
 * @param secretKey 32 bytes; `fields.keyId` must be that of its public key
 * @throws UsmpError INVALID_ARGUMENT
 */
export function signManifest(fields: NewManifest, secretKey: Uint8Array): Manifest {
  return encodeManifest(fields, (message) => signMessage(secretKey, message))
}

/** Whether the manifest was signed with the key whose public half is `publicKey`, 32 bytes. */
export function verifyManifest(manifest: Manifest, publicKey: Uint8Array): boolean {
  const end = manifest.bytes.length - SIGNATURE_SIZE
  return verifySignature(publicKey, withDomain(manifest.bytes.subarray(0, end)), manifest.bytes.subarray(end))
}

function withDomain(signedPart: Uint8Array): Uint8Array {
  const message = new Uint8Array(DOMAIN.length + signedPart.length)
  message.set(DOMAIN)
  message.set(signedPart, DOMAIN.length)
  return message
}
