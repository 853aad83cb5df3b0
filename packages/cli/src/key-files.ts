import { CipherSuite, fromHex, UsmpError } from '@usmp/core'
import { readSecretJson } from '@usmp/node/key-files'

const KEY_SIZE = 32
const SESSION_ID_SIZE = 16

/** What opens the frames of a recorded session. */
export interface SessionKeys {
  readonly sessionId: Uint8Array
  readonly keys: readonly Uint8Array[]
  readonly suite: CipherSuite
}

/**
 * The keys of one session in a JSON file: `session_id`, `keys` and `suite`.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readSessionKeys(path: string): Promise<SessionKeys> {
  const { session_id, keys, suite = 'aes' } = await readSecretJson(path)
  const sessionId = typeof session_id === 'string' ? hexOf(session_id) : undefined
  const parsed = Array.isArray(keys) ? keys.map((key) => (typeof key === 'string' ? hexOf(key) : undefined)) : []
  const good = parsed.filter((key) => key?.length === KEY_SIZE) as Uint8Array[]
  const known = typeof suite === 'string' ? parseSuite(suite) : undefined
  if (sessionId?.length !== SESSION_ID_SIZE || !known || good.length === 0 || good.length !== parsed.length) {
    throw new UsmpError('INVALID_ARGUMENT', `${path} does not hold the keys of a session`, {
      hint: 'It is a JSON object: {"session_id": "<32 hex digits>", "keys": ["<64 hex digits>", …], "suite": "aes-256-gcm" or "chacha20-poly1305"}.',
    })
  }
  return { sessionId, keys: good, suite: known }
}

/** The suite of that name, undefined if there is none. */
export function parseSuite(name: string): CipherSuite | undefined {
  switch (name.toLowerCase()) {
    case 'aes':
    case 'aes-256-gcm':
      return CipherSuite.AES_256_GCM
    case 'chacha':
    case 'chacha20-poly1305':
      return CipherSuite.CHACHA20_POLY1305
    default:
      return undefined
  }
}

/** The bytes of hex digits, undefined if it is anything else. */
function hexOf(text: string): Uint8Array | undefined {
  return /^\s*([0-9a-f]{2}[\s:]*)+$/i.test(text) ? fromHex(text) : undefined
}
