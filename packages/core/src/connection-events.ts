import type { CipherSuite, WireVersion } from './constants.js'
import type { UsmpError } from './errors.js'

/** What `Connection.pollEvent` reports. */
export type ConnectionEvent =
  /** Server: a device asks to be let in; answer with `Connection.authorize`. Nothing is proven yet. */
  | { readonly kind: 'hello'; readonly deviceId: Uint8Array; readonly wireVersion: WireVersion }
  /** Both ends have proven themselves. */
  | {
      readonly kind: 'connected'
      readonly deviceId: Uint8Array
      readonly sessionId: Uint8Array
      readonly suite: CipherSuite
      readonly wireVersion: WireVersion
    }
  | { readonly kind: 'message'; readonly data: Uint8Array }
  | { readonly kind: 'extension'; readonly type: number; readonly data: Uint8Array }
  /** A PING of ours was answered; ms. */
  | { readonly kind: 'pong'; readonly roundTrip: number }
  /** The session goes on under new keys, and both ends have used them. */
  | { readonly kind: 'rekeyed' }
  /** The last event. CLOSED is the good end. */
  | { readonly kind: 'closed'; readonly reason: UsmpError }
