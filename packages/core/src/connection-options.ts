import type { CipherSuite } from './constants.js'
import type { CryptoProvider, RandomSource } from './crypto.js'
import type { DatagramOptions, ReliableDatagram } from './datagram.js'
import type { CookieGuard } from './handshake/handshake.js'
import { authorizationTable, checkOptions } from './options.js'
import { assertPsk } from './psk.js'
import type { WireProtocol } from './wire-protocol.js'

/**
 * How the bytes travel (specification, sections 6 and 7): `stream`, frames back to back on an ordered byte stream (TCP);
 * `message`, one frame each on an ordered message transport (WebSocket); `serial`, COBS packets on a line that keeps
 * order but may carry noise; `datagram`, one frame each, may be lost, repeated and reordered.
 */
export type TransportKind = 'stream' | 'message' | 'serial' | 'datagram'

/** Whether nobody but the peer can put bytes onto such a transport without breaking it for good. */
export function isReliable(kind: TransportKind): boolean {
  return kind === 'stream' || kind === 'message'
}

/** Times are from 0 to 2147483647 ms, almost 25 days: as far as timers of every platform go. */
export interface CommonOptions {
  readonly kind: TransportKind
  readonly random: RandomSource
  /** Default: noble. */
  readonly provider?: CryptoProvider
  /** ms; client: for each step, default 5000; server: for the whole handshake, default 10000. 0 for never. */
  readonly handshakeTimeout?: number
  /** ms without sending, or without hearing, after which a PING goes out; 0 for never. Default: client 20000, server 0. */
  readonly keepalive?: number
  /**
   * ms without an authentic frame after which the session ends, IDLE_TIMEOUT; 0 for never. Default 60000. A session also
   * ends so when its transport has taken nothing for so long, except on a serial line, which may be slow.
   */
  readonly idleTimeout?: number
  /** Packet types 0x0C–0xFE that this application understands besides those of the specification. */
  readonly extensions?: readonly number[]
  /**
   * `wireVersion1` of `@usmp/core/wire-version-1`: speaks wire version 1 (client), or takes it too (server). Its encryption is
   * broken: both directions share one key stream. Use it only to reach old firmware and upgrade it (specification, section
   * 9). Not for kind `datagram`. It is handed in so that no other program carries it.
   */
  readonly unsafeWireVersion1?: WireProtocol
  /**
   * For kind `datagram`, the class of that name in `@usmp/core/datagram`: acknowledgements, repeats and order. It is handed
   * in so that pages, which have no datagrams, do not carry it.
   */
  readonly reliableDatagram?: typeof ReliableDatagram
  /** On datagrams only. */
  readonly datagram?: DatagramOptions
}

export interface ClientOptions extends CommonOptions {
  /** 6 bytes. */
  readonly deviceId: Uint8Array
  /** At least 16 bytes; copied, and the copy is wiped after the handshake. */
  readonly psk: Uint8Array
  /** Accept a key of low entropy. */
  readonly allowWeakPsk?: boolean
  /** The suite this end is configured for; both ends must agree. Default AES-256-GCM. */
  readonly suite?: CipherSuite
}

export interface ServerOptions extends CommonOptions {
  /** On datagrams: the cookie check. */
  readonly cookies?: CookieGuard
}

/** The application's answer to a `hello` event. */
export interface Authorization {
  /** At least 16 bytes; copied, and the copy is wiped after the handshake. */
  readonly psk: Uint8Array
  /** Accept a key of low entropy. */
  readonly allowWeakPsk?: boolean
  /** The suite this device is configured for. Default AES-256-GCM. */
  readonly suite?: CipherSuite
}

/** @throws UsmpError INVALID_ARGUMENT, WEAK_PSK */
export function checkAuthorization(answer: Authorization): void {
  checkOptions('the answer of authorize', answer, authorizationTable)
  assertPsk(answer.psk, answer.allowWeakPsk)
}
