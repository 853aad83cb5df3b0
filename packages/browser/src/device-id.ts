import { formatDeviceId, parseDeviceId } from '@usmp/core'
import { webRandom } from './random.js'

export const DEVICE_ID_KEY = 'usmp-device-id'
/** Bits of the first byte of a MAC address (IEEE 802): not made by a manufacturer; of a group. */
const LOCAL = 0b10
const GROUP = 0b01

/**
 * The device id of this browser for pages of this origin: made at random once, then kept in `storage`; or the one that
 * {@link browserCredentials} got. It is a name, no secret; the key is what proves it. No table of keys has a random id
 * beforehand: the server has to learn it from the page in another way, or use `sharedPsk`.
 */
export function browserDeviceId(storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage): string {
  const known = storage.getItem(DEVICE_ID_KEY)
  if (known !== null) return formatDeviceId(parseDeviceId(known))
  const bytes = webRandom(6)
  bytes[0] = (bytes[0]! | LOCAL) & ~GROUP
  const made = formatDeviceId(bytes)
  storage.setItem(DEVICE_ID_KEY, made)
  return made
}
