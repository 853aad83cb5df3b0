import type { ConnectionEvent } from './connection-events.js'
import type { TransportKind } from './connection-options.js'
import type { CryptoProvider, RandomSource } from './crypto.js'
import type { ReliableDatagram } from './datagram.js'
import type { Drops } from './drops.js'
import type { UsmpError } from './errors.js'
import type { WireProtocol } from './wire-protocol.js'

/** What a connection lends to its phases: settings that do not change, and what they may ask of it. */
export interface ConnectionContext {
  readonly kind: TransportKind
  readonly provider: CryptoProvider
  readonly random: RandomSource
  /** Packet types besides those of the protocol. */
  readonly extensions: readonly number[] | undefined
  /** ms, 0 for never; undefined for what the role has by default. */
  readonly keepalive: number | undefined
  /** ms, 0 for never. */
  readonly idleTimeout: number
  /** On datagrams; without it the transport keeps order and loses nothing. */
  readonly reliability: ReliableDatagram | undefined
  readonly drops: Drops
  /** Sends a whole frame. */
  transmit(frame: Uint8Array): void
  report(event: ConnectionEvent): void
  /** Keeps to one protocol from now on. */
  pickProtocol(protocol: WireProtocol): void
  /** Ends the connection. It calls `end` of its phase then. */
  fail(reason: UsmpError): void
  /** Lets the connection decide whether a fault ends it. */
  handleFrameError(error: UsmpError, authentic: boolean): void
}
