// The signed part of a manifest as bytes (specification, section 13.2). Both directions stand here, field by field.
import { concatBytes, fromHex, toHex, UsmpError } from '@usmp/core'
import { PUBLIC_KEY_SIZE } from './ed25519.js'
import { OtaError } from './errors.js'
import type { Extension, ManifestFields } from './manifest.js'
import { KEY_ID_SIZE } from './publisher-key.js'
import { paddedAscii, printableText, utf8 } from './text.js'

/** Bytes before the first TLV: the shortest signed part. */
export const FIXED_SIZE = 96
/** Bytes of the longest signed part. */
export const MAX_SIGNED_SIZE = 448
export const MAX_NAME_SIZE = 32
/** Key ids that one manifest may revoke, and that a device remembers. */
export const MAX_REVOKED_KEYS = 8

const MAGIC = utf8('UOTA')
const FORMAT = 1
const PRODUCT_SIZE = 16
const CHIP_SIZE = 8
const HASH_SIZE = 32
const MAX_U32 = 0xffff_ffff

const Tlv = { NAME: 0x01, NEXT_KEY: 0x82, REVOKED_KEYS: 0x83 } as const
/** Types from here on must be understood, or the manifest is refused. */
const CRITICAL = 0x80

/** What TLVs say. */
type Optional = Pick<ManifestFields, 'name' | 'nextKey' | 'revokedKeys' | 'extensions'>

/**
 * The fields of a signed part. Magic, format, flags and length were read before, by `manifestSize`.
 * @param bytes 96 to 448
 * @throws OtaError MALFORMED
 */
export function readSignedPart(bytes: Uint8Array): ManifestFields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const u32 = (offset: number) => view.getUint32(offset, true)
  const keyId = toHex(bytes.subarray(8, 8 + KEY_ID_SIZE))
  const product = paddedAscii(bytes.subarray(16, 16 + PRODUCT_SIZE)) ?? malformed('the product is no text')
  const chip = paddedAscii(bytes.subarray(32, 32 + CHIP_SIZE)) ?? malformed('the chip is no text')
  const size = u32(52)
  if (size === 0) malformed('the image is empty')
  if (u32(92) !== 0) malformed('a reserved field is not zero')
  const optional = readTlvs(bytes.subarray(FIXED_SIZE))
  if (optional.revokedKeys.includes(keyId)) malformed('it revokes the key that signs it')
  return {
    keyId,
    product,
    chip,
    version: u32(40),
    counter: u32(44),
    leastVersion: u32(48),
    size,
    sha256: bytes.subarray(56, 56 + HASH_SIZE),
    notAfter: u32(88),
    ...optional,
  }
}

function readTlvs(bytes: Uint8Array): Optional {
  const found: { -readonly [K in keyof Optional]: Optional[K] } & { extensions: Extension[] } = {
    name: '',
    revokedKeys: [],
    extensions: [],
  }
  let last = -1
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length) malformed('the last field is cut short')
    const type = bytes[at]!
    const end = at + 2 + bytes[at + 1]!
    if (end > bytes.length) malformed(`field ${hexByte(type)} is longer than the manifest`)
    if (type <= last) malformed(`field ${hexByte(type)} stands behind field ${hexByte(last)}`)
    const value = bytes.subarray(at + 2, end)
    if (type === Tlv.NAME) found.name = readName(value)
    else if (type === Tlv.NEXT_KEY) found.nextKey = readNextKey(value)
    else if (type === Tlv.REVOKED_KEYS) found.revokedKeys = readRevokedKeys(value)
    else if (type >= CRITICAL) malformed(`field ${hexByte(type)} must be understood, and is not known`)
    else found.extensions.push({ type, value })
    last = type
    at = end
  }
  return found
}

function readName(value: Uint8Array): string {
  if (value.length === 0 || value.length > MAX_NAME_SIZE) malformed(`the name has ${value.length} bytes, not 1 to 32`)
  return printableText(value) ?? malformed('the name is not UTF-8, or has control characters')
}

function readNextKey(value: Uint8Array): Uint8Array {
  return value.length === PUBLIC_KEY_SIZE ? value : malformed(`the next key has ${value.length} bytes, not 32`)
}

function readRevokedKeys(value: Uint8Array): string[] {
  const count = value.length / KEY_ID_SIZE
  if (!Number.isInteger(count) || count < 1 || count > MAX_REVOKED_KEYS) {
    malformed(`${value.length} bytes are not 1 to 8 ids of revoked keys`)
  }
  const ids: string[] = []
  for (let at = 0; at < value.length; at += KEY_ID_SIZE) ids.push(toHex(value.subarray(at, at + KEY_ID_SIZE)))
  return isRising(ids) ? ids : malformed('the ids of revoked keys do not rise')
}

function malformed(what: string): never {
  throw new OtaError('MALFORMED', `not a manifest: ${what}`)
}

function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}

/** Whether texts of one length rise, each at most once. */
function isRising(texts: readonly string[]): boolean {
  return texts.every((text, index) => index === 0 || texts[index - 1]! < text)
}

/**
 * The signed part with these fields, 96 to 448 bytes. Ids of revoked keys and extensions are put in order.
 * @throws UsmpError INVALID_ARGUMENT naming the field that cannot be
 */
export function writeSignedPart(fields: ManifestFields): Uint8Array {
  const bytes = concatBytes(writeFixed(fields), ...writeTlvs(fields))
  if (bytes.length > MAX_SIGNED_SIZE) wrong('the manifest', `at most ${MAX_SIGNED_SIZE} bytes, not ${bytes.length}`)
  new DataView(bytes.buffer).setUint16(6, bytes.length, true)
  // What is written here is what is read there; a slip would be found on the first device only.
  readSignedPart(bytes)
  return bytes
}

function writeFixed(fields: ManifestFields): Uint8Array {
  const bytes = new Uint8Array(FIXED_SIZE)
  const view = new DataView(bytes.buffer)
  const u32 = (offset: number, name: keyof ManifestFields, least = 0) => {
    const value = fields[name] as number
    const fits = Number.isInteger(value) && value >= least && value <= MAX_U32
    if (!fits) wrong(name, `an integer from ${least} to ${MAX_U32}`)
    view.setUint32(offset, value, true)
  }
  bytes.set(MAGIC)
  bytes[4] = FORMAT
  bytes.set(keyIdBytes('keyId', fields.keyId), 8)
  bytes.set(ascii('product', fields.product, PRODUCT_SIZE), 16)
  bytes.set(ascii('chip', fields.chip, CHIP_SIZE), 32)
  u32(40, 'version')
  u32(44, 'counter')
  u32(48, 'leastVersion')
  u32(52, 'size', 1)
  bytes.set(sized('sha256', fields.sha256, HASH_SIZE), 56)
  u32(88, 'notAfter')
  return bytes
}

function writeTlvs({ name, nextKey, revokedKeys, extensions, keyId }: ManifestFields): Uint8Array[] {
  const tlvs = extensions.map(({ type, value }) => extension(type, value))
  if (name !== '') tlvs.push(tlv(Tlv.NAME, nameBytes(name)))
  if (nextKey) tlvs.push(tlv(Tlv.NEXT_KEY, sized('nextKey', nextKey, PUBLIC_KEY_SIZE)))
  if (revokedKeys.length > 0) tlvs.push(tlv(Tlv.REVOKED_KEYS, revokedBytes(revokedKeys, keyId)))
  tlvs.sort((a, b) => a[0]! - b[0]!)
  if (tlvs.some((bytes, index) => bytes[0] === tlvs[index + 1]?.[0])) wrong('extensions', 'each type at most once')
  return tlvs
}

function extension(type: number, value: Uint8Array): Uint8Array {
  const isFree = Number.isInteger(type) && type >= 0 && type < CRITICAL && type !== Tlv.NAME
  if (!isFree) wrong('extensions', 'types from 0 to 0x7f that are not known')
  if (value.length > 255) wrong('extensions', 'values of at most 255 bytes')
  return tlv(type, value)
}

function tlv(type: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(type, value.length), value)
}

function nameBytes(name: string): Uint8Array {
  const bytes = utf8(name)
  // A lone surrogate would be encoded as another character.
  const isText = printableText(bytes) === name
  if (bytes.length > MAX_NAME_SIZE || !isText) wrong('name', 'text of at most 32 bytes without control characters')
  return bytes
}

function revokedBytes(ids: readonly string[], keyId: string): Uint8Array {
  const sorted = [...ids].sort()
  if (sorted.length > MAX_REVOKED_KEYS || !isRising(sorted)) wrong('revokedKeys', 'at most 8 ids, each once')
  if (sorted.includes(keyId)) wrong('revokedKeys', 'without the key that signs')
  return concatBytes(...sorted.map((id) => keyIdBytes('revokedKeys', id)))
}

function keyIdBytes(name: string, id: string): Uint8Array {
  return /^[0-9a-f]{16}$/.test(id) ? fromHex(id) : wrong(name, 'the id of a key: 16 digits of lower-case hex')
}

function ascii(name: string, text: string, size: number): Uint8Array {
  const fits = /^[\x21-\x7e]+$/.test(text) && text.length <= size
  return fits ? utf8(text) : wrong(name, `1 to ${size} printable ASCII characters without blanks`)
}

function sized(name: string, bytes: Uint8Array, size: number): Uint8Array {
  return bytes instanceof Uint8Array && bytes.length === size ? bytes : wrong(name, `${size} bytes`)
}

function wrong(name: string, expected: string): never {
  throw new UsmpError('INVALID_ARGUMENT', `${name} of the manifest must be ${expected}`)
}
