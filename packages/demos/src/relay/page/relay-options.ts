import { UsmpError } from '@usmp/core'
import { byId } from '../../shared/dom.ts'

/** The longest token, bytes. */
const MAX_TOKEN = 64

/** Which relay, as the person of the page has it. */
export interface RelayChoice {
  readonly relay: URL
  readonly token: Uint8Array | undefined
}

/** The fields for the relay and its token. The address of the page may name the relay behind its `#`: `#relay=wss://relay.example`. */
export class RelayFields {
  readonly #url = byId<HTMLInputElement>('relay-url')
  readonly #token = byId<HTMLInputElement>('relay-token')

  constructor() {
    const named = new URLSearchParams(location.hash.slice(1)).get('relay')
    this.#url.value = named ?? `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`
    this.#url.addEventListener('input', () => this.#showSummary())
    this.#showSummary()
  }

  /** @throws UsmpError INVALID_ARGUMENT */
  get choice(): RelayChoice {
    const text = this.#url.value.trim()
    if (!/^wss?:\/\/./.test(text) || !URL.canParse(text)) {
      throw new UsmpError('INVALID_ARGUMENT', 'the address of the relay begins with wss://, or ws:// on this machine')
    }
    return { relay: new URL(text), token: tokenOf(this.#token.value.trim()) }
  }

  #showSummary(): void {
    byId('relay-summary').textContent = this.#url.value
  }
}

/** A token as `usmp relay token` prints it: base64url. */
function tokenOf(text: string): Uint8Array | undefined {
  if (text === '') return undefined
  const fault = () =>
    new UsmpError('INVALID_ARGUMENT', 'this is no token of a relay', {
      hint: 'Copy the whole line that `usmp relay token` has printed.',
    })
  if (!/^[\w-]+$/.test(text)) throw fault()
  try {
    const token = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0))
    if (token.length <= MAX_TOKEN) return token
  } catch {
    // The last signs are missing.
  }
  throw fault()
}
