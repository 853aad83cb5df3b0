/** What a text in the key field is. */
export type KeyText =
  | { readonly kind: 'empty' }
  | { readonly kind: 'unfinished'; readonly why: string }
  /** `id`: of the device that the code was made for, if it names one. */
  | { readonly kind: 'key'; readonly psk: string; readonly id: string | null }

const HEX = /^[0-9a-f]{64}$/i
const CODE = /^usmp:((?:[0-9a-f]{2}:?){5}[0-9a-f]{2}):([A-Za-z0-9_-]{43})=?$/i

/** Reads a key: 64 hex digits, or the code `usmp:<id>:<key in base64url>` that `usmp keygen psk` prints as a picture. */
export function readKey(text: string): KeyText {
  const trimmed = text.trim()
  if (trimmed === '') return { kind: 'empty' }
  const code = CODE.exec(trimmed)
  if (code) return { kind: 'key', psk: hexOfBase64url(code[2]!), id: withColons(code[1]!) }
  const digits = trimmed.replace(/[\s:]/g, '')
  if (HEX.test(digits)) return { kind: 'key', psk: digits.toLowerCase(), id: null }
  return { kind: 'unfinished', why: whyNot(trimmed, digits) }
}

/** Six bytes as the gateway writes them; takes them with colons, dashes, or nothing between. Null: that is no id. */
export function readDeviceId(text: string): string | null {
  const digits = text.trim().replace(/[:\-\s]/g, '')
  return /^[0-9a-f]{12}$/i.test(digits) ? withColons(digits) : null
}

function whyNot(text: string, digits: string): string {
  if (text.startsWith('usmp:')) return 'This code is not complete.'
  if (/[^0-9a-f]/i.test(digits)) return 'A key has only the digits 0–9 and a–f.'
  return digits.length < 64 ? `${64 - digits.length} digits are missing.` : `${digits.length - 64} digits too many.`
}

function withColons(id: string): string {
  return id.replaceAll(':', '').toLowerCase().match(/../g)!.join(':')
}

function hexOfBase64url(text: string): string {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return [...binary].map((character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}
