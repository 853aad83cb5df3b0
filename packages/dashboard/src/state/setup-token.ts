import { signal } from '@preact/signals'

/** The token of the setup link. It leaves the address at once, so that it is in no history, bookmark or picture of the screen. */
export const setupToken = signal<string | null>(null)

if (window.location.pathname === '/setup' && window.location.hash.length > 1) {
  setupToken.value = decodeURIComponent(window.location.hash.slice(1))
  window.history.replaceState(null, '', '/setup')
}
