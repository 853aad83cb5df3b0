import type { WireVersion } from '../constants.js'
import type { EndKeys } from '../keys.js'

/** A handshake frame to send; the wire version is that of the handshake. */
export interface HandshakeFrame {
  readonly type: number
  readonly seq: number
  readonly payload: Uint8Array
}

/** What a completed handshake hands to the session. */
export interface Established {
  readonly wireVersion: WireVersion
  readonly deviceId: Uint8Array
  readonly sessionId: Uint8Array
  readonly keys: EndKeys
}
