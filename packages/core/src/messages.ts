import { PacketType, packetTypeName } from './constants.js'
import { UsmpError, wireCodeName } from './errors.js'
import type { Frame } from './frame.js'
import { payloadLayouts } from './payload-layout.js'

/** HELLO, client to server (specification, section 3.2). */
export interface Hello {
  readonly deviceId: Uint8Array
  readonly clientPublic: Uint8Array
  /** What an earlier HELLO_RETRY handed out. */
  readonly cookie?: Uint8Array | undefined
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

const HELLO = payloadLayouts[PacketType.HELLO]
const HELLO_RETRY = payloadLayouts[PacketType.HELLO_RETRY]
const CHALLENGE = payloadLayouts[PacketType.CHALLENGE]
const HELLO_ACK = payloadLayouts[PacketType.HELLO_ACK]
const SESSION_OK = payloadLayouts[PacketType.SESSION_OK]
const ERROR = payloadLayouts[PacketType.ERROR]

export function encodeHello({ deviceId, clientPublic, cookie }: Hello): Uint8Array {
  return HELLO.encode({ device_id: deviceId, public_key: clientPublic, cookie })
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 38 or 54 bytes */
export function decodeHello(frame: Frame): Hello {
  const { device_id, public_key, cookie } = HELLO.decode(frame)
  return { deviceId: device_id, clientPublic: public_key, cookie }
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 16 bytes */
export function decodeHelloRetry(frame: Frame): Uint8Array {
  return HELLO_RETRY.decode(frame).cookie
}

export function encodeChallenge({ nonce, serverPublic }: Challenge): Uint8Array {
  return CHALLENGE.encode({ nonce, public_key: serverPublic })
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 64 bytes */
export function decodeChallenge(frame: Frame): Challenge {
  const { nonce, public_key } = CHALLENGE.decode(frame)
  return { nonce, serverPublic: public_key }
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 32 bytes */
export function decodeHelloAck(frame: Frame): Uint8Array {
  return HELLO_ACK.decode(frame).mac
}

export function encodeSessionOk({ sessionId, mac }: SessionOk): Uint8Array {
  return SESSION_OK.encode({ session_id: sessionId, mac })
}

/** @throws UsmpError BAD_PAYLOAD unless the payload is 48 bytes */
export function decodeSessionOk(frame: Frame): SessionOk {
  const { session_id, mac } = SESSION_OK.decode(frame)
  return { sessionId: session_id, mac }
}

/** An ERROR frame's payload (specification, section 2.4). */
export function encodeError(code: number): Uint8Array {
  return ERROR.encode({ code: Uint8Array.of(code), detail: new Uint8Array(2) })
}

/**
 * What an ERROR frame says; unauthenticated, so at most a hint (specification, section 2.4). Undefined unless its payload is
 * 3 bytes.
 */
export function describeErrorFrame(frame: Frame): string | undefined {
  if (!ERROR.sizes.includes(frame.payload.length)) return undefined
  const code = ERROR.decode(frame).code[0]!
  return wireCodeName(code) ?? `code ${code}`
}

/** @throws UsmpError UNEXPECTED_PACKET */
export function expectType(frame: Frame, ...types: readonly number[]): void {
  if (types.includes(frame.type)) return
  const expected = types.map(packetTypeName).join(' or ')
  throw new UsmpError('UNEXPECTED_PACKET', `${packetTypeName(frame.type)} instead of ${expected}`)
}
