import { AUTHENTICATED_HEADER_SIZE, NONCE_SIZE } from '@usmp/core/constants'
import { nodeProvider } from '@usmp/node'
import type { SessionKeys } from '../key-files.js'

/** Opens a sealed frame with the first key that fits; undefined if none does. */
export function openSealed(
  frame: Uint8Array,
  payloadAt: number,
  { keys, suite }: SessionKeys,
): { plaintext: Uint8Array; key: number } | undefined {
  const nonce = frame.subarray(payloadAt, payloadAt + NONCE_SIZE)
  const sealed = frame.subarray(payloadAt + NONCE_SIZE)
  for (const [index, key] of keys.entries()) {
    const plaintext = nodeProvider.aead(suite, key).open(nonce, frame.subarray(0, AUTHENTICATED_HEADER_SIZE), sealed)
    if (plaintext) return { plaintext, key: index + 1 }
  }
  return undefined
}
