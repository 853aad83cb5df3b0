import type { CipherSuite } from '../constants.js'
import type { CryptoProvider, RandomSource } from '../crypto.js'
import type { Frame } from '../frame.js'
import type { TrafficKeys } from '../keys.js'

/** What a client brings to the handshake. */
export interface ClientConfig {
  readonly provider: CryptoProvider
  readonly random: RandomSource
  /** 6 bytes. */
  readonly deviceId: Uint8Array
  /** Belongs to the handshake, which wipes it at its end. */
  readonly psk: Uint8Array
  readonly suite: CipherSuite
  /**
   * Answers further CHALLENGEs too. Where anybody can put bytes onto the wire (serial, datagram) nobody can tell a forged
   * one from the server's before SESSION_OK (specification, section 3.9).
   */
  readonly allowMultipleChallenges: boolean
}

/** What a server brings to the handshake. */
export interface ServerConfig {
  readonly provider: CryptoProvider
  readonly random: RandomSource
  /** On datagrams: makes and checks the cookies of one peer address; without it no cookie is asked for. */
  readonly cookies?: CookieGuard | undefined
  /**
   * A HELLO restarts the handshake in every state: where there is no connection to close (serial, datagram), a device that
   * restarts shows it in no other way (specification, section 3.10).
   */
  readonly allowRestart: boolean
  /** Where a frame may arrive twice (datagram), the same HELLO again means nothing. */
  readonly ignoreDuplicates: boolean
  /** Called once at most: for the first proof of a device that has no key here. */
  onUnproven(device: UnprovenDevice): void
}

/** A device that has no key here, and the proof that it sent. */
export interface UnprovenDevice {
  /** 6 bytes; what the device calls itself. */
  readonly deviceId: Uint8Array
  /**
   * Whether the device has this key. Compares in constant time, and works after the connection has ended.
   *
   * It holds a copy of the public transcript and of the proof. Neither is a secret, but the holder of this function can test
   * guesses of the key without the device: keep it only while it is needed, and only in the process of the server.
   * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array
   */
  matches(psk: Uint8Array): boolean
}

/** The stateless return-routability check of datagram transports (specification, section 7). */
export interface CookieGuard {
  /** 16 bytes, bound to the peer's address and to the time. */
  issue(): Uint8Array
  verify(cookie: Uint8Array): boolean
}

/** A handshake frame to send; the wire version is that of the protocol. */
export interface HandshakeFrame {
  readonly type: number
  readonly seq: number
  readonly payload: Uint8Array
}

/** What a completed handshake hands to the session. */
export interface HandshakeResult {
  readonly deviceId: Uint8Array
  readonly sessionId: Uint8Array
  readonly suite: CipherSuite
  readonly keys: TrafficKeys
}

/** What became of one frame. Absent flags are false. */
export interface HandshakeStep {
  readonly send?: HandshakeFrame
  /** The handshake is complete; after `send` has left the session begins. */
  readonly established?: HandshakeResult
  /** Server: the application has to be asked for the key of this device. */
  readonly hello?: { readonly deviceId: Uint8Array }
  /** The peer has answered what this end sent last, or has begun: nothing is repeated, and the next step has its time. */
  readonly progress?: boolean
  /** The peer has begun, or begun again: what was sent and accepted before means nothing any more. */
  readonly restarted?: boolean
  /** No trace of the frame is kept, so that its repetition gets the same answer. */
  readonly stateless?: boolean
}

/** What it means that the peer ends the transport, or says nothing more. */
export interface Refusal {
  readonly detail: string
  /** The packet type that did not come. */
  readonly awaited: number
  readonly hint: string
}

/**
 * One handshake of one role and wire version.
 *
 * A `Connection` makes it, hands it every frame, and does what the {@link HandshakeStep} says: acknowledge, send, ask the
 * application, open the session. The handshake owns its state, the PSK and the ephemeral keys. It knows no time, no transport
 * and no repeats. A frame that it refuses, by throwing, must leave its state as it was.
 */
export interface Handshake {
  /** What it waits for, for a message to a person. */
  readonly waitingFor: string
  /**
   * Handles one frame.
   * @throws UsmpError UNEXPECTED_PACKET, BAD_PAYLOAD, BAD_COOKIE, AUTH_FAILED, UNKNOWN_DEVICE, LOW_ORDER_POINT
   */
  receive(frame: Frame): HandshakeStep
  /** Forgets the secrets of a handshake that ends without success. */
  wipe(): void
}

/** The initiating end: `start`, then `receive` until the session is established. */
export interface ClientHandshake extends Handshake {
  /** Whether this end has proven itself, so that silence means a wrong proof. */
  readonly proofSent: boolean
  readonly refusal: Refusal
  /**
   * The first frame.
   * @throws UsmpError RANDOM_FAILED
   */
  start(): HandshakeFrame
}

/** The answering end: `receive`; after `hello` either `authorize` or `dropHello`; `receive` again. */
export interface ServerHandshake extends Handshake {
  /**
   * The application's answer to `hello`. For an unknown device the handshake goes on with a random key: same messages, same
   * time, and it fails where a wrong key fails (specification, section 3.11).
   * @param key is copied
   * @param known whether it is the key of the device
   * @throws UsmpError INVALID_ARGUMENT if no `hello` waits, RANDOM_FAILED
   */
  authorize(key: { readonly psk: Uint8Array; readonly suite: CipherSuite }, known: boolean): HandshakeFrame
  /** Forgets a `hello` that waits for `authorize`; false if none does. */
  dropHello(): boolean
}
