import { formatDeviceId, fromHex, parseDeviceId, UsmpError } from '@usmp/core'

/** Who an operator is, and what proves it. */
export interface Credentials {
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly operator: string
  /** The operator's pre-shared key: 64 hex digits, 32 bytes. */
  readonly key: string
}

/**
 * The address of the page with an operator's credentials behind the `#`, which browsers keep to themselves: no request
 * carries that part.
 */
export function pageAddress(page: string | URL, { operator, key }: Credentials): string {
  const address = new URL(page)
  address.hash = `operator=${operator}&key=${key}`
  return address.href
}

/**
 * The credentials of a location's hash, or undefined if there are none in it.
 * @throws UsmpError INVALID_ARGUMENT if there are, but unusable ones
 */
export function credentialsOf(hash: string): Credentials | undefined {
  const parts = new URLSearchParams(hash.replace(/^#/, ''))
  const operator = parts.get('operator')
  const key = parts.get('key')
  if (operator === null && key === null) return undefined
  return checked({ operator: operator ?? '', key: key ?? '' })
}

/**
 * Credentials as they are kept: spaces around them gone, the id in its usual form.
 * @throws UsmpError INVALID_ARGUMENT that says which of the two is wrong; the key is not in it
 */
export function checked({ operator, key }: Credentials): Credentials {
  const digits = key.trim()
  if (!/^[0-9a-f]{64}$/i.test(digits)) {
    throw new UsmpError('INVALID_ARGUMENT', `the key must be 64 hex digits, and ${described(digits)}`)
  }
  return { operator: formatDeviceId(parseDeviceId(operator.trim())), key: digits.toLowerCase() }
}

/** The 32 bytes of the key. */
export function pskOf({ key }: Credentials): Uint8Array {
  return fromHex(key)
}

function described(digits: string): string {
  if (digits === '') return 'there is none'
  return /^[0-9a-f]*$/i.test(digits) ? `this one has ${digits.length}` : 'this one has other characters in it'
}
