import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { assertBytes, concatBytes, fromHex } from './bytes.js'
import { KEY_SIZE, MIN_PSK_SIZE } from './constants.js'
import { parseDeviceId } from './device-id.js'
import { UsmpError } from './errors.js'

/** A random key has at least this many different byte values in any 16 bytes or more, but for one case in 10^9. */
const MIN_DISTINCT_BYTES = 8
/** Printable text shorter than this is taken for a passphrase. */
const MIN_TEXT_SIZE = 32

/**
 * Is checked and copied where there is no key of a device, so that an unknown device takes the same time as a known one. It
 * lets nobody in.
 */
export const PSK_STAND_IN: Uint8Array = Uint8Array.from({ length: KEY_SIZE }, (_, i) => i)

/** Bytes. A longer key is a wrong file, and would hold up everybody while it is hashed. */
const MAX_PSK_SIZE = 4096
/** Hex digits of a key of {@link MIN_PSK_SIZE} bytes; fewer are taken for typed text. */
const MIN_HEX_TEXT = 2 * MIN_PSK_SIZE
/** What a text of hex digits is made of, byte by byte: digits, white space, `0x`, quotes; BOMs, and the zeros of UTF-16. */
const HEX_TEXT = /[\da-fx\s:"'\0\xbb\xbf\xef\xfe\xff]/i
const KEY_HINT = 'A key is 64 hex digits; `usmp keygen psk --out FILE` makes one. A passphrase is not a key.'

const BYTES_HINT = {
  hint: 'Turn the digits into bytes with parsePsk(text). In Node, readPskFile(path) of @usmp/node reads a key file.',
}

const DEVICE_PSK_INFO = new TextEncoder().encode('usmp-device-psk-v1')

/**
 * The key that a text of hex digits stands for, as `usmp keygen psk` writes it (specification, section 10.1). A BOM, white
 * space, colons between bytes, a leading `0x` and a pair of quotes are ignored. Errors never show the text.
 * @param text at least 32 hex digits, better 64
 * @returns 16 bytes or more
 * @throws UsmpError INVALID_ARGUMENT if it is anything else, WEAK_PSK
 */
export function parsePsk(text: string): Uint8Array {
  if (typeof text !== 'string') throw new UsmpError('INVALID_ARGUMENT', 'parsePsk takes a text')
  const trimmed = text.trim()
  const digits = /^(["']?)(?:0x)?([0-9a-f\s:]+)\1$/i.exec(trimmed)?.[2]?.replace(/[\s:]/g, '')
  const severalKeys = digits !== undefined && digits.length > 2 * KEY_SIZE && trimmed.includes('\n')
  if (severalKeys) throw new UsmpError('INVALID_ARGUMENT', 'the text has more than one key', { hint: KEY_HINT })
  if (!digits || digits.length % 2 !== 0) {
    throw new UsmpError('INVALID_ARGUMENT', notHex(trimmed, digits), { hint: KEY_HINT })
  }
  const psk = fromHex(digits)
  assertPsk(psk)
  return psk
}

/** Why a text is no key in hex, without a piece of it. */
function notHex(text: string, digits: string | undefined): string {
  if (text === '') return 'the key is empty'
  if (digits) return `the key has ${digits.length} hex digits: one is missing, or one is too many`
  if (/^[\w+/-]{42,43}=?=?$/.test(text)) return 'the key looks like Base64, and hex digits are expected'
  return 'the text is not a key in hex digits'
}

/**
 * Refuses keys that can be guessed from one recorded handshake, some 10^5 tries a second and core; also hex digits that
 * were not turned into the bytes they stand for, as the other end would have another key.
 * @param allowWeak accept a key of low entropy, or one that is hex digits on purpose; not a key under 16 bytes
 * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array, over 4096 bytes, or hex digits; WEAK_PSK
 */
export function assertPsk(psk: unknown, allowWeak = false): asserts psk is Uint8Array {
  if (typeof psk === 'string') throw new UsmpError('INVALID_ARGUMENT', 'psk must be bytes, not a text', BYTES_HINT)
  assertBytes('psk', psk)
  if (psk.length < MIN_PSK_SIZE) {
    throw new UsmpError('WEAK_PSK', `${psk.length} bytes, and at least ${MIN_PSK_SIZE} are needed`)
  }
  if (psk.length > MAX_PSK_SIZE) {
    throw new UsmpError('INVALID_ARGUMENT', `psk has ${psk.length} bytes, and more than ${MAX_PSK_SIZE} are no key`)
  }
  if (allowWeak) return
  if (!hasDistinctBytes(psk, MIN_DISTINCT_BYTES)) throw new UsmpError('WEAK_PSK', 'it repeats a few byte values')
  if (psk.length >= MIN_HEX_TEXT && psk.every((byte) => HEX_TEXT.test(String.fromCharCode(byte)))) {
    throw new UsmpError(
      'INVALID_ARGUMENT',
      `psk is a text of hex digits (${psk.length} bytes), not the bytes that they stand for`,
      BYTES_HINT,
    )
  }
  if (psk.length < MIN_TEXT_SIZE && psk.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    throw new UsmpError('WEAK_PSK', 'it looks like a typed text, not like random bytes', {
      hint: 'Make a key with `usmp keygen psk`, derive one with pskFromPassphrase(), or pass allowWeakPsk if you must.',
    })
  }
}

/** Whether there are at least `count` different values; looks no further than it must. */
function hasDistinctBytes(bytes: Uint8Array, count: number): boolean {
  const seen = new Set<number>()
  for (const byte of bytes) if (seen.add(byte).size === count) return true
  return false
}

/**
 * The key of one device of a fleet, from the fleet's master key: HKDF-SHA256 with the info "usmp-device-psk-v1" and
 * the device id. A stolen device gives away its own key and no other (specification, section 10).
 * @param master at least 32 random bytes
 * @param deviceId 6 bytes, or text like `aa:bb:cc:dd:ee:ff`
 * @returns 32 bytes
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export function deriveDevicePsk(master: Uint8Array, deviceId: string | Uint8Array): Uint8Array {
  assertPsk(master)
  const id = parseDeviceId(deviceId)
  if (master.length < KEY_SIZE) throw new UsmpError('WEAK_PSK', `a master key has at least ${KEY_SIZE} bytes`)
  return hkdf(sha256, master, undefined, concatBytes(DEVICE_PSK_INFO, id), KEY_SIZE)
}
