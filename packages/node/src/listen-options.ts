import type { Server as HttpServer } from 'node:http'
import type { Clock, CryptoProvider, DatagramOptions } from '@usmp/core'
import type { PskOptions } from './psk-source.js'
import type { SerialSource } from './serial.js'
import type { DuplicatePolicy } from './session-registry.js'
import type { UnprovenDevice } from './unproven-devices.js'

export interface ListenOptions extends PskOptions {
  /**
   * Default host 127.0.0.1, which only this machine reaches: give `0.0.0.0` or `::` to let in devices from the network.
   * Default port 9000; port 0 takes a free one, see {@link Server.port}. Left out together with `udp`, `websocket` and
   * `serial` it means these defaults. `false` for no TCP; a server that listens nowhere lives on what {@link Server.accept} gets.
   */
  readonly tcp?: { readonly host?: string; readonly port?: number } | false
  /** The same for UDP, see {@link Server.udpPort}; it may have the same number as the TCP port. */
  readonly udp?: { readonly host?: string; readonly port?: number }
  /** On UDP: messages under way at once, and the order of those that arrive. */
  readonly datagram?: DatagramOptions
  /** WebSockets, on a port of their own or on an HTTP server of the application. */
  readonly websocket?: WebSocketOptions
  /** A serial port to serve; it is opened again when it ends. */
  readonly serial?: SerialSource
  /** What becomes of a second session of one device: it takes the place of the first (default), or is turned away. */
  readonly duplicates?: DuplicatePolicy
  /**
   * Connections at once, in all; default 1000. At this limit and the next one a connection whose session has ended gives way
   * to a newcomer, the one that has been leaving for longest. Without one the oldest handshake of the address that has most
   * of them ends; each session of an address makes up for one of its handshakes. If there is none, the newcomer is refused.
   */
  readonly maxConnections?: number
  /** Connections at once from one address (of IPv6: from one /64, which one host may have for itself); default 250. */
  readonly maxConnectionsPerAddress?: number
  /** Handshakes at once, where the oldest gives way as above, and answers of a `psk` function awaited at once; default 250. */
  readonly maxHandshakes?: number
  /** ms for a whole handshake; 0 for never; default 10000. */
  readonly handshakeTimeout?: number
  /**
   * ms without an authentic frame after which a session ends; 0 for never; default 60000. So it does when the
   * transport takes nothing for so long, except on a serial line.
   */
  readonly idleTimeout?: number
  /** ms of silence after which the server itself sends a PING; 0 (default) for never, as clients do it. */
  readonly keepalive?: number
  /** Packet types 0x0C–0xFE that this application understands. */
  readonly extensions?: readonly number[]
  /**
   * Told of a device that has sent its proof, but has no key here, so that a key can be tried on it. The device is refused in
   * any case, and neither the wire nor the timing tells it about this function. At most 256 attempts can be asked about at once.
   */
  readonly onUnproven?: (attempt: UnprovenDevice) => void
  /** Also lets in old firmware of wire version 1, whose encryption is broken; each such session is a `warning`. */
  readonly unsafeWireVersion1?: boolean
  /** Default: node:crypto. */
  readonly provider?: CryptoProvider
  /** Where handshakes, sessions, lockout and unproven attempts get the time from; default Node's. Sockets keep Node's. */
  readonly clock?: Clock
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal
}

interface CommonServerOptions {
  /** Where it is on the HTTP server; default `/`. */
  readonly path?: string
  /**
   * Which web pages may connect, as browsers name their origin: `https://app.example`. Default: none. Programs that are
   * no browsers name no origin, and may always.
   */
  readonly origins?: readonly string[]
}

export interface OwnServerOptions extends CommonServerOptions {
  readonly server?: undefined
  /** Default 127.0.0.1, which only this machine reaches; `0.0.0.0` or `::` for all interfaces. */
  readonly host?: string
  /** 0 takes a free one, see {@link Server.websocketUrl}. */
  readonly port: number
  /** Serves `wss`; both in PEM. */
  readonly tls?: { readonly key: string | Uint8Array; readonly cert: string | Uint8Array }
}

export interface AttachedServerOptions extends CommonServerOptions {
  /**
   * An HTTP or HTTPS server of the application, which listens and closes itself. Of its connections that ask for nothing,
   * silent or kept open, at most `maxHandshakes` stay: beyond that the oldest of the address with most of them ends. Set no
   * `maxConnections` of its own on it, or a much larger one: Node then turns newcomers away before anything can give way.
   */
  readonly server: HttpServer
}

export type WebSocketOptions = OwnServerOptions | AttachedServerOptions
