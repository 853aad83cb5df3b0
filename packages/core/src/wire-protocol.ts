import type { WireVersion } from './constants.js'
import type { ClientConfig, ClientHandshake, ServerConfig, ServerHandshake } from './handshake/handshake.js'

/** How a frame of a session is sealed. */
export interface RecordFormat {
  /** Bytes that sealing adds to a plaintext. */
  readonly overhead: number
  /** Largest plaintext of one frame, bytes. */
  readonly maxPlaintext: number
  /** Whether the nonce stands in front of the ciphertext. If not, the receiver computes it. */
  readonly nonceOnWire: boolean
}

/**
 * One wire version: everything that a connection needs to speak it, and the only place that knows the version's messages.
 *
 * `Connection` is given the protocols that it may speak. A client speaks the one that it was given; a server picks one by
 * the version byte of the first HELLO that it accepts, and keeps to it. A protocol has no state: `client` and `server` make a
 * handshake for one connection, and the record layer is made of its result.
 */
export interface WireProtocol {
  /** The byte at offset 2 of every frame. */
  readonly version: WireVersion
  /** Packet types of the handshake. The first one begins it. */
  readonly handshakeTypes: readonly number[]
  /** Packet types of a session, and the bytes inside where the type fixes them. Extensions come on top. */
  readonly sessionTypes: Readonly<Record<number, number | 'any'>>
  readonly recordFormat: RecordFormat
  client(config: ClientConfig): ClientHandshake
  server(config: ServerConfig): ServerHandshake
}
