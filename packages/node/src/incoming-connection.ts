import type { UsmpError } from '@usmp/core'

/** What is known of a connection when it comes in. */
export interface Arrival {
  /** Where the peer is, for people: `host:port`, a topic, the path of a serial port. */
  readonly address: string
  /** What counts as one address for limits and the lockout: an IP address without the port, a /64 of IPv6, a serial port. */
  readonly source: string
  /** What the peer calls itself, where its HELLO came before the connection (datagrams). Unproven. */
  readonly deviceId?: string | undefined
  /** Of a serial port that the server opened itself: it is no connection that a peer made, so the limits do not count it. */
  readonly exempt?: boolean
  readonly handle: ConnectionHandle
}

/** What a connection is cut off by. */
export interface ConnectionHandle {
  /** Ends the connection at once, whatever is still to be sent; `reason` for transports that can tell the peer. Never throws. */
  destroy(reason?: UsmpError): void
}

/**
 * One connection of a peer, from its first byte to its last. {@link Admission} makes it and is the only one that changes it;
 * a listener or the server holds it to say what has become of the connection.
 */
export interface IncomingConnection extends Readonly<Omit<Arrival, 'deviceId'>> {
  /** What the peer calls itself in its HELLO; proven once it has a session. */
  deviceId: string | undefined
  /** Its handshake, which the server aborts with a reason; undefined when the handshake is over. */
  handshake: AbortController | undefined
}
