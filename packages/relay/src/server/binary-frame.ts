import { MAX_RELAYED } from '../wire.js'

/** FIN, and the opcode of a binary message (RFC 6455, section 5.2). */
const BINARY = 0x82
/** In place of a length: it follows in two bytes. */
const TWO_BYTES = 126

/** By the length of the message. There are as many as lengths that a relay passes on, 3 kB in all. */
const headers: Uint8Array[] = []

/**
 * What stands before a message from a server in its WebSocket frame. A relay sends nothing but whole, unmasked, uncompressed frames
 * of 1 to 492 bytes; making their headers once is what saves the work of a general sender for each.
 */
export function frameHeader(length: number): Uint8Array {
  return (headers[length] ??= makeHeader(length))
}

function makeHeader(length: number): Uint8Array {
  if (length < 1 || length > MAX_RELAYED) throw new RangeError(`a message has 1 to ${MAX_RELAYED} bytes`)
  const bytes = length < TWO_BYTES ? [BINARY, length] : [BINARY, TWO_BYTES, length >> 8, length & 0xff]
  return Uint8Array.from(bytes)
}
