import { equalBytes, readUint32, writeUint32 } from './bytes.js'
import { PacketType, UTACK_MAC_SIZE, UTACK_SIZE } from './constants.js'
import type { CryptoProvider } from './crypto.js'

/** Both bytes that begin an acknowledgement; no frame begins with them (specification, section 7.3). */
const UTACK_MAGIC = 0xac
/** Bytes of an acknowledgement with its mac; one of a handshake frame has none. */
const SEALED_SIZE = UTACK_SIZE + UTACK_MAC_SIZE

/** What an acknowledgement names. It proves nothing until {@link verifyUtack} has judged it. */
export interface Utack {
  readonly type: number
  readonly seq: number
}

/** Whether a type belongs to the handshake: plain, and acknowledged without a mac. */
export function isHandshakeType(type: number): boolean {
  return type < PacketType.DATA || type === PacketType.HELLO_RETRY
}

/** Whether a datagram is meant as an acknowledgement; anything else is meant as a frame. */
export function isUtack(datagram: Uint8Array): boolean {
  return datagram.length >= 2 && datagram[0] === UTACK_MAGIC && datagram[1] === UTACK_MAGIC
}

/**
 * Whether a datagram, frame or acknowledgement, belongs to a handshake rather than to a session, as far as its type tells
 * (specification, section 7.9). Nothing is proven.
 */
export function isForHandshake(datagram: Uint8Array): boolean {
  const type = datagram[isUtack(datagram) ? 2 : 3]
  return type !== undefined && isHandshakeType(type)
}

/**
 * Acknowledges a frame (specification, section 7.3).
 * @param key the key the frame was sealed under; not used for handshake types
 * @returns 7 bytes for handshake types, else 15
 */
export function encodeUtack(provider: CryptoProvider, type: number, seq: number, key: Uint8Array): Uint8Array {
  const sealed = !isHandshakeType(type)
  const out = new Uint8Array(sealed ? SEALED_SIZE : UTACK_SIZE)
  out[0] = UTACK_MAGIC
  out[1] = UTACK_MAGIC
  out[2] = type
  writeUint32(out, 3, seq)
  if (sealed) out.set(macOf(provider, key, out), UTACK_SIZE)
  return out
}

/** Which frame an acknowledgement names; undefined unless it has the one length that its type asks for. */
export function decodeUtack(datagram: Uint8Array): Utack | undefined {
  if (!isUtack(datagram) || datagram.length < UTACK_SIZE) return undefined
  const type = datagram[2]!
  if (datagram.length !== (isHandshakeType(type) ? UTACK_SIZE : SEALED_SIZE)) return undefined
  return { type, seq: readUint32(datagram, 3) }
}

/** Whether the holder of `key` has made an acknowledgement that {@link decodeUtack} has read; plain ones prove nothing. */
export function verifyUtack(provider: CryptoProvider, datagram: Uint8Array, key: Uint8Array): boolean {
  if (datagram.length === UTACK_SIZE) return true
  return equalBytes(datagram.subarray(UTACK_SIZE), macOf(provider, key, datagram))
}

function macOf(provider: CryptoProvider, key: Uint8Array, utack: Uint8Array): Uint8Array {
  return provider.hmacSha256(key, utack.subarray(0, UTACK_SIZE)).subarray(0, UTACK_MAC_SIZE)
}
