import { concatBytes, copyBytes } from './bytes.js'
import {
  COOKIE_SIZE,
  DEVICE_ID_SIZE,
  HANDSHAKE_NONCE_SIZE,
  MAC_SIZE,
  PUBLIC_KEY_SIZE,
  packetTypeName,
  SESSION_ID_SIZE,
} from './constants.js'
import { UsmpError } from './errors.js'
import type { Frame } from './frame.js'

/** HELLO, client to server (specification, section 3.2). */
export interface Hello {
  readonly deviceId: Uint8Array
  readonly clientPublic: Uint8Array
  /** What an earlier HELLO_RETRY handed out. */
  readonly cookie?: Uint8Array
}

/** CHALLENGE, server to client (specification, section 3.4). */
export interface Challenge {
  readonly nonce: Uint8Array
  readonly serverPublic: Uint8Array
}

/** SESSION_OK, server to client (specification, section 3.6). */
export interface SessionOk {
  readonly sessionId: Uint8Array
  readonly mac: Uint8Array
}

const HELLO_SIZE = DEVICE_ID_SIZE + PUBLIC_KEY_SIZE

export function encodeHello({ deviceId, clientPublic, cookie }: Hello): Uint8Array {
  return cookie ? concatBytes(deviceId, clientPublic, cookie) : concatBytes(deviceId, clientPublic)
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 38 or 54 bytes */
export function decodeHello(frame: Frame): Hello {
  const payload = sized(frame, HELLO_SIZE, HELLO_SIZE + COOKIE_SIZE)
  const hello = {
    deviceId: copyBytes(payload, 0, DEVICE_ID_SIZE),
    clientPublic: copyBytes(payload, DEVICE_ID_SIZE, HELLO_SIZE),
  }
  return payload.length === HELLO_SIZE ? hello : { ...hello, cookie: copyBytes(payload, HELLO_SIZE) }
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 16 bytes */
export function decodeHelloRetry(frame: Frame): Uint8Array {
  return copyBytes(sized(frame, COOKIE_SIZE))
}

export function encodeChallenge({ nonce, serverPublic }: Challenge): Uint8Array {
  return concatBytes(nonce, serverPublic)
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 64 bytes */
export function decodeChallenge(frame: Frame): Challenge {
  const payload = sized(frame, HANDSHAKE_NONCE_SIZE + PUBLIC_KEY_SIZE)
  return { nonce: copyBytes(payload, 0, HANDSHAKE_NONCE_SIZE), serverPublic: copyBytes(payload, HANDSHAKE_NONCE_SIZE) }
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 32 bytes */
export function decodeHelloAck(frame: Frame): Uint8Array {
  return copyBytes(sized(frame, MAC_SIZE))
}

export function encodeSessionOk({ sessionId, mac }: SessionOk): Uint8Array {
  return concatBytes(sessionId, mac)
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 48 bytes */
export function decodeSessionOk(frame: Frame): SessionOk {
  const payload = sized(frame, SESSION_ID_SIZE + MAC_SIZE)
  return { sessionId: copyBytes(payload, 0, SESSION_ID_SIZE), mac: copyBytes(payload, SESSION_ID_SIZE) }
}

/** What an ERROR frame says; unauthenticated, so at most a hint (specification, section 2.4). */
export function describeErrorFrame(frame: Frame): string {
  const names = ['VERSION', 'AUTH', 'SEQ', 'CRYPTO', 'BAD_FRAME', 'TIMEOUT', 'INTERNAL']
  const code = frame.payload[0]
  return code === undefined ? 'an empty ERROR frame' : (names[code - 1] ?? `code ${code}`)
}

/** @throws UsmpError UNEXPECTED_PACKET */
export function expectType(frame: Frame, ...types: readonly number[]): void {
  if (types.includes(frame.type)) return
  const expected = types.map(packetTypeName).join(' or ')
  throw new UsmpError('UNEXPECTED_PACKET', `${packetTypeName(frame.type)} instead of ${expected}`)
}

function sized(frame: Frame, ...sizes: readonly number[]): Uint8Array {
  if (sizes.includes(frame.payload.length)) return frame.payload
  throw new UsmpError(
    'BAD_PAYLOAD',
    `${packetTypeName(frame.type)} with ${frame.payload.length} bytes instead of ${sizes.join(' or ')}`,
  )
}
