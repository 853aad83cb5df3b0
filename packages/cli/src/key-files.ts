import { type CipherSuite, fromHex, UsmpError } from '@usmp/core'
import { KEY_SIZE, SESSION_ID_SIZE } from '@usmp/core/constants'
import { readSecretJson } from '@usmp/node/key-files'
import { longNames, parseSuite } from './suites.js'

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
      hint: `It is a JSON object: {"session_id": "<32 hex digits>", "keys": ["<64 hex digits>", …], "suite": ${longNames.map((name) => `"${name}"`).join(' or ')}}.`,
    })
  }
  return { sessionId, keys: good, suite: known }
}

/** The bytes of hex digits, undefined if it is anything else. */
function hexOf(text: string): Uint8Array | undefined {
  return /^\s*([0-9a-f]{2}[\s:]*)+$/i.test(text) ? fromHex(text) : undefined
}
