import { createHmac, timingSafeEqual } from 'node:crypto'
import { MAX_TOKEN } from '../wire.js'
import { RelayError } from './relay-error.js'

const LABEL = 'usmp-relay token v1'
const TAG_SIZE = 16
const MIN_KEY = 32
const MAX_NAME = 8
/** Expiry and the length of the name. */
const HEAD = 5

/** What {@link issueToken} puts into a token. */
export interface TokenOptions {
  /** To the second; before the year 2106. */
  readonly expires: Date
  /** For whom it is: at most 8 bytes in UTF-8. Whoever has the token can read it. */
  readonly name?: string
}

/**
 * A token that lets its holder join at the relays that have this key, until it expires (specification, section 12.1). It is
 * checked without memory, so it cannot be taken back: make it short-lived.
 * @param key of the relay, 32 bytes or more
 * @returns 21 to 29 bytes, a secret
 * @throws RelayError INVALID_ARGUMENT
 */
export function issueToken(key: Uint8Array, { expires, name = '' }: TokenOptions): Uint8Array {
  checkTokenKey(key)
  const seconds = Math.floor(expires.getTime() / 1000)
  if (!(seconds > 0 && seconds < 2 ** 32)) {
    throw new RelayError('INVALID_ARGUMENT', 'the expiry is no usable date', 'It must lie between 1970 and 2106.')
  }
  const nameBytes = Buffer.from(name)
  if (nameBytes.length > MAX_NAME) {
    throw new RelayError('INVALID_ARGUMENT', `the name has more than ${MAX_NAME} bytes`, 'Take a shorter one.')
  }
  const body = Buffer.alloc(HEAD + nameBytes.length)
  body.writeUInt32BE(seconds)
  body[HEAD - 1] = nameBytes.length
  body.set(nameBytes, HEAD)
  return Uint8Array.of(...body, ...tagOf(key, body))
}

/** @throws RelayError INVALID_ARGUMENT */
export function checkTokenKey(key: Uint8Array): void {
  if (key instanceof Uint8Array && key.length >= MIN_KEY) return
  throw new RelayError(
    'INVALID_ARGUMENT',
    `the token key has fewer than ${MIN_KEY} bytes`,
    `Make one of ${MIN_KEY} random bytes, and keep it where only the relay and the maker of tokens read it.`,
  )
}

/** A token as text: base64url without padding. */
export function formatToken(token: Uint8Array): string {
  return Buffer.from(token).toString('base64url')
}

/**
 * A token from its text. Whether a relay takes it, only the relay can tell.
 * @throws RelayError INVALID_ARGUMENT
 */
export function parseToken(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url')
  // The decoder skips what it does not know, and takes a last digit with stray bits.
  const isExact = bytes.toString('base64url') === text
  if (isExact && bytes.length > 0 && bytes.length <= MAX_TOKEN) return new Uint8Array(bytes)
  throw new RelayError('INVALID_ARGUMENT', 'this is no token', 'Copy it as it was printed, in one line.')
}

/** What is wrong with a token, for the reason of a close; undefined if nothing is. The tag is checked first, in constant time. */
export function faultOfToken(key: Uint8Array, token: Uint8Array, now: Date): string | undefined {
  if (token.length === 0) return 'this relay needs a token'
  const body = token.subarray(0, -TAG_SIZE)
  const isWellFormed = body.length >= HEAD && body.length === HEAD + body[HEAD - 1]! && body[HEAD - 1]! <= MAX_NAME
  if (!isWellFormed) return 'the token has not the form of one'
  if (!timingSafeEqual(tagOf(key, body), token.subarray(-TAG_SIZE))) return 'the token is not of this relay'
  const expires = new DataView(body.buffer, body.byteOffset).getUint32(0)
  return now.getTime() < expires * 1000 ? undefined : 'the token has expired'
}

function tagOf(key: Uint8Array, body: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(LABEL).update(body).digest().subarray(0, TAG_SIZE)
}
