import { assertBytes, fromHex, toHex } from './bytes.js'
import { DEVICE_ID_SIZE } from './constants.js'
import { UsmpError } from './errors.js'

/** Characters of a wrong device id that a message shows. */
const MAX_SHOWN = 24

/** Six bytes as `aa:bb:cc:dd:ee:ff`. */
export function formatDeviceId(deviceId: Uint8Array): string {
  return toHex(deviceId, ':')
}

/**
 * The six bytes of a device id, given as bytes or as text with or without colons.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseDeviceId(deviceId: string | Uint8Array): Uint8Array {
  if (typeof deviceId !== 'string') {
    assertBytes('deviceId', deviceId, DEVICE_ID_SIZE)
    return deviceId
  }
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^[0-9a-f]{12}$/i.test(deviceId)) {
    // A longer text may be a key in the wrong place.
    const given = deviceId.length <= MAX_SHOWN ? JSON.stringify(deviceId) : `a text of ${deviceId.length} characters`
    throw new UsmpError('INVALID_ARGUMENT', `deviceId must look like aa:bb:cc:dd:ee:ff, not ${given}`)
  }
  return fromHex(deviceId.replaceAll('-', ''))
}
