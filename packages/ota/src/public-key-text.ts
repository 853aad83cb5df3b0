import { fromHex, UsmpError } from '@usmp/core'
import { PUBLIC_KEY_SIZE } from './ed25519.js'
import { assertPublisherKey } from './publisher-key.js'

/** What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = fromHex('302a300506032b6570032100')
const PEM = /^\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/
const HINT = 'It is 64 hex digits, or PEM that begins with -----BEGIN PUBLIC KEY-----. `usmp ota keygen` writes both.'

/**
 * A publisher's public key from text: 64 hex digits, or PEM as `usmp ota keygen` and OpenSSL write it (SubjectPublicKeyInfo).
 * @returns 32 bytes
 * @throws UsmpError INVALID_ARGUMENT; the message shows nothing of the text, which could be the secret half
 */
export function parsePublicKey(text: string): Uint8Array {
  if (/PRIVATE KEY-----/.test(text)) {
    throw new UsmpError('INVALID_ARGUMENT', 'this is the secret half of a key, and the public half is expected', {
      hint: 'Take the file that ends with .pub. `usmp ota public FILE` shows the public half.',
    })
  }
  const key = /^\s*[0-9a-fA-F]{64}\s*$/.test(text) ? fromHex(text) : fromPem(text)
  assertPublisherKey(key)
  return key
}

/** A public key of 32 bytes as PEM (SubjectPublicKeyInfo), with a line break at its end. */
export function formatPublicKey(publicKey: Uint8Array): string {
  assertPublisherKey(publicKey)
  const der = String.fromCharCode(...SPKI_PREFIX, ...publicKey)
  return `-----BEGIN PUBLIC KEY-----\n${btoa(der)}\n-----END PUBLIC KEY-----\n`
}

function fromPem(text: string): Uint8Array {
  const body = PEM.exec(text)?.[1]?.replace(/\s/g, '') ?? ''
  const der = decodeBase64(body)
  const isEd25519 = der?.length === SPKI_PREFIX.length + PUBLIC_KEY_SIZE && SPKI_PREFIX.every((b, i) => der[i] === b)
  if (der && isEd25519) return der.subarray(SPKI_PREFIX.length)
  throw new UsmpError('INVALID_ARGUMENT', "this is no publisher's public key (Ed25519)", { hint: HINT })
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
