import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, toHex } from './bytes.js'
import { parseDeviceId } from './device-id.js'
import { assertPsk } from './psk.js'

const INFO = new TextEncoder().encode('usmp-fingerprint-v1')
/** Bytes of the mac that are shown: 40 bits, eight digits. */
const SIZE = 5
/** Crockford's digits: without I, L, O and U, which people take for others. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * A short text by which a person sees that two places hold the same key of a device, as `7Q4K-2MWD`. It is made of the key and the device
 * id by HMAC-SHA256, so it does not tell the key. Whoever knows it can test guesses of a weak key with it, as with a recorded handshake.
 * @param deviceId 6 bytes, or text like `aa:bb:cc:dd:ee:ff`
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK for a key under 16 bytes
 */
export function pskFingerprint(psk: Uint8Array, deviceId: string | Uint8Array): string {
  assertPsk(psk, true)
  const mac = hmac(sha256, psk, concatBytes(INFO, parseDeviceId(deviceId))).subarray(0, SIZE)
  const bits = BigInt(`0x${toHex(mac)}`)
  const digits = Array.from({ length: 8 }, (_, i) => DIGITS[Number((bits >> BigInt(35 - 5 * i)) & 31n)]).join('')
  return `${digits.slice(0, 4)}-${digits.slice(4)}`
}
