import { formatDeviceId, parseDeviceId } from '@usmp/core'
import { webRandom } from './random.js'

const KEY = 'usmp-device-id'
/** Bits of the first byte of a MAC address (IEEE 802): not made by a manufacturer; of a group. */
const LOCAL = 0b10
const GROUP = 0b01

/**
 * The device id of this browser for pages of this origin: made at random once, then kept in `storage`. It is a name, no
 * secret; the key is what proves it.
 */
export function browserDeviceId(storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage): string {
  const known = storage.getItem(KEY)
  if (known !== null) return formatDeviceId(parseDeviceId(known))
  const bytes = webRandom(6)
  bytes[0] = (bytes[0]! | LOCAL) & ~GROUP
  const made = formatDeviceId(bytes)
  storage.setItem(KEY, made)
  return made
}
