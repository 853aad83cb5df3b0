import type { WireVersion } from '../constants.js'
import type { TrafficKeys } from '../keys.js'

/** A handshake frame to send; the wire version is that of the handshake. */
export interface HandshakeFrame {
  readonly type: number
  readonly seq: number
  readonly payload: Uint8Array
}

/** What a completed handshake hands to the session. */
export interface HandshakeResult {
  readonly wireVersion: WireVersion
  readonly deviceId: Uint8Array
  readonly sessionId: Uint8Array
  readonly keys: TrafficKeys
}
