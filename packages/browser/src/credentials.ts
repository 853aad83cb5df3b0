import { formatDeviceId, fromHex, parseDeviceId, toHex, UsmpError } from '@usmp/core'
import { DEVICE_ID_KEY } from './device-id.js'

const PSK_KEY = 'usmp-device-psk'

/** What a browser proves itself with, as options of {@link connect}. */
export interface BrowserCredentials {
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly deviceId: string
  readonly psk: Uint8Array
}

/** What is needed of a window. */
export interface CredentialsPage {
  readonly location: Pick<Location, 'hash' | 'pathname' | 'search'>
  readonly history: Pick<History, 'replaceState' | 'state'>
  readonly localStorage: Pick<Storage, 'getItem' | 'setItem'>
}

/**
 * The device id and key of this browser. It gets them once, by an address that the operator of the server makes:
 * `https://app.example/#id=aa:bb:cc:dd:ee:ff&key=<hex>`. No request carries what is behind the `#`. They are kept in
 * `localStorage` for the pages of this origin, and taken out of the address bar and its history.
 * @returns undefined if this browser never had such an address
 * @throws UsmpError INVALID_ARGUMENT if the address, or what was kept, is unusable; the key is not in the message
 */
export function browserCredentials(page: CredentialsPage = window): BrowserCredentials | undefined {
  const { location, history, localStorage } = page
  const parts = new URLSearchParams(location.hash.slice(1))
  const [id, key] = [parts.get('id'), parts.get('key')]
  if (id === null && key === null) {
    return credentialsOf(localStorage.getItem(DEVICE_ID_KEY), localStorage.getItem(PSK_KEY))
  }
  const given = credentialsOf(id, key)
  if (!given) throw new UsmpError('INVALID_ARGUMENT', 'the address of the page has only one of id and key')
  localStorage.setItem(DEVICE_ID_KEY, given.deviceId)
  localStorage.setItem(PSK_KEY, toHex(given.psk))
  history.replaceState(history.state, '', location.pathname + location.search)
  return given
}

/** Undefined if one of the two is missing: a browser may have an id alone, see {@link browserDeviceId}. */
function credentialsOf(id: string | null, key: string | null): BrowserCredentials | undefined {
  if (id === null || key === null) return undefined
  return { deviceId: formatDeviceId(parseDeviceId(id)), psk: fromHex(key) }
}
