import { formatDeviceId, parseDeviceId, parsePsk, toHex, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { DEVICE_ID_KEY } from './device-id.js'
import { credentialsTable } from './options.js'

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

/** Options of {@link browserCredentials}. */
export interface CredentialsOptions {
  /** Lets an address replace what this browser has kept. Ask the person first: anybody can make such a link. */
  readonly replace?: boolean
  /** Default: the window. */
  readonly page?: CredentialsPage
}

/**
 * The device id and key of this browser. It gets them once, by an address that the operator of the server makes:
 * `https://app.example/#id=aa:bb:cc:dd:ee:ff&key=<hex>`. No request carries what is behind the `#`. They are kept in
 * `localStorage` for the pages of this origin, and taken out of the address bar and its history.
 * @returns undefined if this browser never had such an address
 * @throws UsmpError INVALID_ARGUMENT if the address, or what was kept, is unusable, or the address would replace other
 * credentials; WEAK_PSK; the key is in no message
 */
export function browserCredentials(options: CredentialsOptions = {}): BrowserCredentials | undefined {
  checkOptions('browserCredentials', options, credentialsTable)
  const { replace = false, page = window } = options
  const { location, history, localStorage } = page
  const parts = new URLSearchParams(location.hash.slice(1))
  const [id, key] = [parts.get('id'), parts.get('key')]
  if (id === null && key === null) {
    return credentialsOf(localStorage.getItem(DEVICE_ID_KEY), localStorage.getItem(PSK_KEY))
  }
  const given = credentialsOf(id, key)
  if (!given) throw new UsmpError('INVALID_ARGUMENT', 'the address of the page has only one of id and key')
  if (!replace && keepsOthers(localStorage, given)) {
    throw new UsmpError('INVALID_ARGUMENT', 'this browser has another id or key, which the address would replace', {
      hint: 'Ask the person whether the link is theirs; then call browserCredentials({ replace: true }).',
    })
  }
  localStorage.setItem(DEVICE_ID_KEY, given.deviceId)
  localStorage.setItem(PSK_KEY, toHex(given.psk))
  history.replaceState(history.state, '', location.pathname + location.search)
  return given
}

/** Whether there is a key already that is not the given one, or is another device's. */
function keepsOthers(storage: CredentialsPage['localStorage'], given: BrowserCredentials): boolean {
  const key = storage.getItem(PSK_KEY)
  return key !== null && (key !== toHex(given.psk) || storage.getItem(DEVICE_ID_KEY) !== given.deviceId)
}

/** Undefined if one of the two is missing: a browser may have an id alone, see {@link browserDeviceId}. */
function credentialsOf(id: string | null, key: string | null): BrowserCredentials | undefined {
  if (id === null || key === null) return undefined
  return { deviceId: formatDeviceId(parseDeviceId(id)), psk: parsePsk(key) }
}
