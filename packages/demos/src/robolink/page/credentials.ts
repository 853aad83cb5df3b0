import { type Credentials, checked, credentialsOf } from './address.ts'

const PLACE = 'robolink-operator'

/**
 * The credentials behind the `#` of the page's address, which then disappears from the address bar; otherwise those that
 * this tab has kept. Undefined if there are none.
 * @throws UsmpError INVALID_ARGUMENT if the address carries unusable ones
 */
export function findCredentials(): Credentials | undefined {
  const { hash, pathname, search } = location
  if (hash !== '') history.replaceState(null, '', pathname + search)
  const given = credentialsOf(hash)
  if (given) return given
  const kept = sessionStorage.getItem(PLACE)
  return kept === null ? undefined : checked(JSON.parse(kept))
}

/** Keeps them until the tab is closed. */
export function keepCredentials(credentials: Credentials): void {
  sessionStorage.setItem(PLACE, JSON.stringify(credentials))
}

export function forgetCredentials(): void {
  sessionStorage.removeItem(PLACE)
}
