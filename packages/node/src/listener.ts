import type { Session, Transport, UsmpError } from '@usmp/core'
import type { Arrival, IncomingConnection } from './incoming-connection.js'

/**
 * One place where connections come in: a TCP, UDP or WebSocket port, or a serial port. A listener owns its socket and makes a
 * transport of each connection; the {@link ConnectionHandler} that it is started with decides who may stay.
 *
 * The server calls `start` once, then `close` once, which may come without a `start` or after one that failed.
 */
export interface Listener {
  /**
   * Begins to listen; resolves when connections can come.
   * @throws UsmpError INVALID_ARGUMENT; TRANSPORT_FAILED if the port cannot be had
   */
  start(handler: ConnectionHandler): Promise<void>
  /** Takes no more connections; resolves when the socket is closed, for which the connections that it carries have to end first. */
  close(): Promise<void>
  /**
   * Where it listens, for people.
   * @throws UsmpError NOT_CONNECTED while it does not listen
   */
  readonly address: string
}

/** How a connection is taken in. */
export interface AcceptOptions {
  /**
   * What counts as one address for `maxConnectionsPerAddress`, for handshakes and for the lockout; any text. An IPv6 address counts
   * with its /64, as for sockets. Default: the address of the transport, with its port if it has one.
   */
  readonly address?: string
  /**
   * What the peer calls itself, where its HELLO is known before the transport. A device that is locked out then gets no answer
   * at all, as it should on datagrams.
   */
  readonly deviceId?: string
  /** Called with the session before an older one of the same device is ended, for transports that share a wire. */
  readonly onSession?: (session: Session) => void
}

/** What a listener hands its connections to. */
export interface ConnectionHandler {
  /**
   * Takes in a connection and performs the handshake. The handler owns the transport from here on: it opens it before the call
   * returns, or aborts it.
   * @returns the session, or undefined if it was refused; never rejects
   */
  accept(transport: Transport, options?: AcceptOptions & Pick<Arrival, 'exempt'>): Promise<Session | undefined>
  /**
   * Counts a connection that has no transport yet as a handshake. Ends in `release`, with or without `acceptReserved`.
   * @returns undefined if there was no room for it; it was destroyed then
   */
  reserve(arrival: Arrival): IncomingConnection | undefined
  /** Performs the handshake on a connection that was counted before. */
  acceptReserved(transport: Transport, connection: IncomingConnection): void
  /** A reserved connection is gone. */
  release(connection: IncomingConnection): void
  /** A peer was turned away before it became a connection. */
  onRefused(address: string, error: UsmpError): void
  /** The socket had a fault that ended nothing. */
  onFault(message: string, cause: unknown): void
}
