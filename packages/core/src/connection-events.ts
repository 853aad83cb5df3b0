import type { CipherSuite, WireVersion } from './constants.js'
import type { UsmpError } from './errors.js'
import type { UnprovenDevice } from './handshake/handshake.js'

/** What `Connection.pollEvent` reports. */
export type ConnectionEvent =
  /** Server: a device asks to be let in; answer with `Connection.authorize`. Nothing is proven yet. */
  | { readonly kind: 'hello'; readonly deviceId: Uint8Array; readonly wireVersion: WireVersion }
  /**
   * Server: a device for which `authorize` was given `null` has sent its proof. Reported for the first proof of a connection
   * only. The device is refused in any case, and the wire does not tell it.
   */
  | ({ readonly kind: 'unproven' } & UnprovenDevice)
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
