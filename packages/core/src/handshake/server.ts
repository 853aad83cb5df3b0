import { equalBytes } from '../bytes.js'
import { HANDSHAKE_NONCE_SIZE, PacketType, SESSION_ID_SIZE, type WireVersion } from '../constants.js'
import type { CryptoProvider, KeyPair, RandomSource } from '../crypto.js'
import { UsmpError } from '../errors.js'
import type { Frame } from '../frame.js'
import { clientMac, deriveKeys, serverMac, type Transcript } from '../keys.js'
import { decodeHello, decodeHelloAck, encodeChallenge, encodeSessionOk, expectType } from '../messages.js'
import type { HandshakeFrame, HandshakeResult } from './result.js'

/** Bytes that stand in for the key of an unknown device. */
const PSK_STAND_IN_SIZE = 32

/** What the server brings to the handshake. */
export interface ServerConfig {
  readonly provider: CryptoProvider
  readonly random: RandomSource
  /** On datagrams: makes and checks the cookies of one peer address; without it no cookie is asked for. */
  readonly cookies?: CookieGuard
  /**
   * A HELLO begins anew in every state: where there is no connection to close (serial, datagram), a device that restarts
   * shows it in no other way (specification, section 3.10).
   */
  readonly allowRestart: boolean
  /** Where a frame may arrive twice (datagram), the same HELLO again means nothing. */
  readonly ignoreDuplicates: boolean
}

/** The stateless return-routability check of datagram transports (specification, section 7). */
export interface CookieGuard {
  /** 16 bytes, bound to the peer's address and to the time. */
  issue(): Uint8Array
  verify(cookie: Uint8Array): boolean
}

/** Awaits HELLO. */
interface AwaitingHello {
  readonly kind: 'awaiting-hello'
}

/** Has a HELLO and awaits the application's answer, {@link authorizeServer}. */
interface AwaitingPsk {
  readonly kind: 'awaiting-psk'
  readonly wireVersion: WireVersion
  readonly deviceId: Uint8Array
  readonly clientPublic: Uint8Array
}

/** Awaits HELLO_ACK. */
interface AwaitingHelloAck {
  readonly kind: 'awaiting-hello-ack'
  readonly wireVersion: WireVersion
  readonly deviceId: Uint8Array
  readonly psk: Uint8Array
  /** False if the PSK is a random one that stands in for that of an unknown device. */
  readonly known: boolean
  readonly keyPair: KeyPair
  readonly transcript: Transcript
}

export type ServerState = AwaitingHello | AwaitingPsk | AwaitingHelloAck

/** A frame handled: a new state, perhaps with a frame to send, or the end. */
export type ServerStep =
  | { readonly state: ServerState; readonly send?: HandshakeFrame }
  | { readonly established: HandshakeResult; readonly send: HandshakeFrame }

export const serverStart: ServerState = { kind: 'awaiting-hello' }

/**
 * Handles one frame. A frame that is refused leaves the state as it was.
 * @throws UsmpError UNEXPECTED_PACKET, BAD_PAYLOAD, BAD_COOKIE, AUTH_FAILED, UNKNOWN_DEVICE, LOW_ORDER_POINT
 */
export function stepServer(config: ServerConfig, state: ServerState, frame: Frame): ServerStep {
  switch (state.kind) {
    case 'awaiting-hello':
      return onHello(config, state, frame)
    case 'awaiting-psk':
      if (config.allowRestart && frame.type === PacketType.HELLO) return onHello(config, state, frame)
      throw new UsmpError('UNEXPECTED_PACKET', 'a frame before CHALLENGE was sent')
    case 'awaiting-hello-ack':
      if (config.allowRestart && frame.type === PacketType.HELLO) return onHello(config, state, frame)
      return onHelloAck(config, state, frame)
    default:
      return state satisfies never
  }
}

/**
 * The application's answer to a HELLO. For an unknown device the handshake goes on with a random key: same messages, same
 * time, and it fails where a wrong key fails (specification, section 3.11).
 * @param psk the caller keeps it and wipes it after the handshake
 * @param known whether it is the key of the device
 */
export function authorizeServer(
  config: ServerConfig,
  state: ServerState,
  psk: Uint8Array,
  known: boolean,
): { state: ServerState; send: HandshakeFrame } {
  if (state.kind !== 'awaiting-psk') throw new UsmpError('INVALID_ARGUMENT', 'no HELLO is waiting for a key')
  const { wireVersion, deviceId, clientPublic } = state
  const keyPair = config.provider.generateKeyPair(config.random)
  const nonce = config.random(HANDSHAKE_NONCE_SIZE)
  const transcript = { nonce, clientPublic, serverPublic: keyPair.publicKey }
  // Drawn for a known device too, so that both take the same time.
  const standIn = config.random(PSK_STAND_IN_SIZE)
  return {
    state: {
      kind: 'awaiting-hello-ack',
      wireVersion,
      deviceId,
      psk: known ? psk : standIn,
      known,
      keyPair,
      transcript,
    },
    send: { type: PacketType.CHALLENGE, seq: 0, payload: encodeChallenge({ nonce, serverPublic: keyPair.publicKey }) },
  }
}

/** Forgets the secrets of a state that is left. */
export function wipeServer(state: ServerState): void {
  if (state.kind === 'awaiting-hello-ack') state.keyPair.wipe()
}

function onHello(config: ServerConfig, state: ServerState, frame: Frame): ServerStep {
  expectType(frame, PacketType.HELLO)
  const { deviceId, clientPublic, cookie } = decodeHello(frame)
  if (config.cookies) {
    if (!cookie) {
      return { state, send: { type: PacketType.HELLO_RETRY, seq: 0, payload: config.cookies.issue() } }
    }
    if (!config.cookies.verify(cookie)) throw new UsmpError('BAD_COOKIE')
  }
  if (config.ignoreDuplicates && isRepeat(state, deviceId, clientPublic)) return { state }
  // An answer under way is about the device that was asked for, and so are the guesses that are counted (section 3.12).
  if (state.kind !== 'awaiting-hello' && !equalBytes(deviceId, state.deviceId)) {
    throw new UsmpError('UNEXPECTED_PACKET', 'HELLO of another device during the handshake of one')
  }
  return { state: { kind: 'awaiting-psk', wireVersion: frame.version as WireVersion, deviceId, clientPublic } }
}

function isRepeat(state: ServerState, deviceId: Uint8Array, clientPublic: Uint8Array): boolean {
  if (state.kind === 'awaiting-hello') return false
  const known = state.kind === 'awaiting-psk' ? state.clientPublic : state.transcript.clientPublic
  return equalBytes(deviceId, state.deviceId) && equalBytes(clientPublic, known)
}

function onHelloAck(config: ServerConfig, state: AwaitingHelloAck, frame: Frame): ServerStep {
  expectType(frame, PacketType.HELLO_ACK)
  const mac = decodeHelloAck(frame)
  const { wireVersion, deviceId, psk, keyPair, transcript } = state
  // The mac needs no Diffie-Hellman, so it is judged before the server spends one (specification, section 3.10).
  const proven = equalBytes(mac, clientMac(config.provider, wireVersion, psk, deviceId, transcript))
  if (!state.known) throw new UsmpError('UNKNOWN_DEVICE')
  if (!proven) throw new UsmpError('AUTH_FAILED', 'the device did not prove that it knows its key')
  const derived = deriveKeys(config.provider, wireVersion, keyPair, transcript.clientPublic, transcript)
  keyPair.wipe()
  const sessionId = config.random(SESSION_ID_SIZE)
  const proof = serverMac(config.provider, wireVersion, psk, sessionId, transcript)
  return {
    established: {
      wireVersion,
      deviceId,
      sessionId,
      keys: { tx: derived.serverToClient, rx: derived.clientToServer },
    },
    send: { type: PacketType.SESSION_OK, seq: 0, payload: encodeSessionOk({ sessionId, mac: proof }) },
  }
}
