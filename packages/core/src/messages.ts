import { PacketType, packetTypeName } from './constants.js'
import { UsmpError, wireCodeName } from './errors.js'
import type { Frame } from './frame.js'
import { payloadLayouts } from './payload-layout.js'

/** HELLO, client to server (specification, section 3.2). */
export const hello = payloadLayouts[PacketType.HELLO]
/** What a HELLO says; with the cookie that an earlier HELLO_RETRY handed out, or without. */
export type Hello = ReturnType<typeof hello.decode>
/** HELLO_RETRY, server to client (specification, section 3.3). */
export const helloRetry = payloadLayouts[PacketType.HELLO_RETRY]
/** CHALLENGE, server to client (specification, section 3.4). */
export const challenge = payloadLayouts[PacketType.CHALLENGE]
/** HELLO_ACK, client to server (specification, section 3.5). */
export const helloAck = payloadLayouts[PacketType.HELLO_ACK]
/** SESSION_OK, server to client (specification, section 3.6). */
export const sessionOk = payloadLayouts[PacketType.SESSION_OK]
/** ERROR (specification, section 2.4). */
const error = payloadLayouts[PacketType.ERROR]

/** The payload of an ERROR frame. */
export function encodeError(code: number): Uint8Array {
  return error.encode({ code: Uint8Array.of(code), detail: new Uint8Array(2) })
}

/**
 * What an ERROR frame says; unauthenticated, so at most a hint (specification, section 2.4). Undefined unless its payload is
 * 3 bytes.
 */
export function describeErrorFrame(frame: Frame): string | undefined {
  if (!error.sizes.includes(frame.payload.length)) return undefined
  const code = error.decode(frame).code[0]!
  return wireCodeName(code) ?? `code ${code}`
}

/** @throws UsmpError UNEXPECTED_PACKET */
export function expectType(frame: Frame, ...types: readonly number[]): void {
  if (types.includes(frame.type)) return
  const expected = types.map(packetTypeName).join(' or ')
  throw new UsmpError('UNEXPECTED_PACKET', `${packetTypeName(frame.type)} instead of ${expected}`)
}
