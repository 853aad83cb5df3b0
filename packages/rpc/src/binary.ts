import { UsmpError } from '@usmp/core'

/** First byte of a message that is not JSON-RPC. It occurs nowhere in UTF-8, and no chunk begins with it. */
export const BINARY_MARK = 0xfe

/** @throws UsmpError INVALID_ARGUMENT if the peer would not take it for a binary message */
export function assertBinary(message: Uint8Array): void {
  if (message[0] !== BINARY_MARK) throw new UsmpError('INVALID_ARGUMENT', 'a binary message must begin with 0xFE')
}
