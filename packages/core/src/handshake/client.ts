import { equalBytes, wipe } from '../bytes.js'
import { PacketType, WIRE_VERSION, type WireVersion } from '../constants.js'
import type { CryptoProvider, KeyPair } from '../crypto.js'
import { UsmpError } from '../errors.js'
import type { Frame } from '../frame.js'
import { clientMac, type DirectionalKeys, deriveKeys, serverMac, type Transcript } from '../keys.js'
import { decodeChallenge, decodeHelloRetry, decodeSessionOk, encodeHello, expectType } from '../messages.js'
import type { HandshakeFrame, HandshakeResult } from './result.js'

/** What the client brings to the handshake. The caller keeps the PSK and wipes it. */
export interface ClientConfig {
  readonly provider: CryptoProvider
  readonly wireVersion: WireVersion
  readonly deviceId: Uint8Array
  readonly psk: Uint8Array
  /**
   * Answers further CHALLENGEs too. Where anybody can put bytes onto the wire (serial, datagram) nobody can tell a forged
   * one from the server's before SESSION_OK (specification, section 3.9).
   */
  readonly allowMultipleChallenges: boolean
}

/** Most challenges kept at a time; the oldest gives way. */
const MAX_CHALLENGES = 4

/** Awaits CHALLENGE, or one HELLO_RETRY. */
interface AwaitingChallenge {
  readonly kind: 'awaiting-challenge'
  readonly keyPair: KeyPair
  readonly retried: boolean
}

/** A challenge that was answered, and the keys if it was the server's. */
interface AnsweredChallenge {
  readonly transcript: Transcript
  readonly keys: DirectionalKeys
}

/** Awaits SESSION_OK. */
interface AwaitingSessionOk {
  readonly kind: 'awaiting-session-ok'
  /** Wiped already unless further challenges are answered. */
  readonly keyPair: KeyPair
  /** Oldest first. */
  readonly challenges: readonly AnsweredChallenge[]
}

export type ClientState = AwaitingChallenge | AwaitingSessionOk

/** A frame handled: either the next state, with a frame to send unless it was a repeat, or the end. */
export type ClientStep =
  | { readonly state: ClientState; readonly send?: HandshakeFrame }
  | { readonly established: HandshakeResult }

/** The first state and HELLO (specification, section 3.9). Takes over the key pair. */
export function startClient(config: ClientConfig, keyPair: KeyPair): { state: ClientState; send: HandshakeFrame } {
  return { state: { kind: 'awaiting-challenge', keyPair, retried: false }, send: hello(config, keyPair, 0) }
}

/**
 * Handles one frame. A frame that is refused leaves the state as it was.
 * @throws UsmpError UNEXPECTED_PACKET, BAD_PAYLOAD, LOW_ORDER_POINT, AUTH_FAILED
 */
export function stepClient(config: ClientConfig, state: ClientState, frame: Frame): ClientStep {
  switch (state.kind) {
    case 'awaiting-challenge':
      if (frame.type === PacketType.HELLO_RETRY) return onHelloRetry(config, state, frame)
      expectType(frame, PacketType.CHALLENGE)
      return onChallenge(config, state, [], frame)
    case 'awaiting-session-ok':
      if (config.allowMultipleChallenges && frame.type === PacketType.CHALLENGE) {
        return onChallenge(config, state, state.challenges, frame)
      }
      return onSessionOk(config, state, frame)
    default:
      return state satisfies never
  }
}

/** Forgets the secrets of a state that is left without success. */
export function wipeClient(state: ClientState): void {
  state.keyPair.wipe()
  if (state.kind === 'awaiting-session-ok') wipeChallenges(state.challenges)
}

function wipeChallenges(challenges: readonly AnsweredChallenge[]): void {
  for (const { keys } of challenges) wipe(keys.clientToServer, keys.serverToClient)
}

function hello(config: ClientConfig, keyPair: KeyPair, seq: number, cookie?: Uint8Array): HandshakeFrame {
  const message = { deviceId: config.deviceId, clientPublic: keyPair.publicKey }
  return { type: PacketType.HELLO, seq, payload: encodeHello(cookie ? { ...message, cookie } : message) }
}

function onHelloRetry(config: ClientConfig, state: AwaitingChallenge, frame: Frame): ClientStep {
  if (state.retried) throw new UsmpError('UNEXPECTED_PACKET', 'a second HELLO_RETRY')
  const cookie = decodeHelloRetry(frame)
  return { state: { ...state, retried: true }, send: hello(config, state.keyPair, 1, cookie) }
}

function onChallenge(
  config: ClientConfig,
  state: ClientState,
  answered: readonly AnsweredChallenge[],
  frame: Frame,
): ClientStep {
  const { nonce, serverPublic } = decodeChallenge(frame)
  const { keyPair } = state
  const isRepeat = ({ transcript }: AnsweredChallenge) =>
    equalBytes(transcript.nonce, nonce) && equalBytes(transcript.serverPublic, serverPublic)
  if (answered.some(isRepeat)) return { state }
  const transcript = { nonce, clientPublic: keyPair.publicKey, serverPublic }
  const keys = deriveKeys(config.provider, config.wireVersion, keyPair, serverPublic, transcript)
  const mac = clientMac(config.provider, config.wireVersion, config.psk, config.deviceId, transcript)
  if (!config.allowMultipleChallenges) keyPair.wipe()
  const kept = answered.slice(-MAX_CHALLENGES + 1)
  wipeChallenges(answered.slice(0, answered.length - kept.length))
  // Wire version 1 numbers no handshake frame.
  const seq = config.wireVersion === WIRE_VERSION ? 2 : 0
  return {
    state: { kind: 'awaiting-session-ok', keyPair, challenges: [...kept, { transcript, keys }] },
    send: { type: PacketType.HELLO_ACK, seq, payload: mac },
  }
}

function onSessionOk(config: ClientConfig, state: AwaitingSessionOk, frame: Frame): ClientStep {
  expectType(frame, PacketType.SESSION_OK)
  const { sessionId, mac } = decodeSessionOk(frame)
  const chosen = state.challenges.find(({ transcript }) =>
    equalBytes(mac, serverMac(config.provider, config.wireVersion, config.psk, sessionId, transcript)),
  )
  if (!chosen) {
    const detail = 'the server did not prove that it knows the key of this device'
    throw new UsmpError('AUTH_FAILED', detail, { awaited: PacketType.SESSION_OK })
  }
  state.keyPair.wipe()
  wipeChallenges(state.challenges.filter((challenge) => challenge !== chosen))
  const { clientToServer, serverToClient } = chosen.keys
  return {
    established: {
      wireVersion: config.wireVersion,
      deviceId: config.deviceId,
      sessionId,
      keys: { tx: clientToServer, rx: serverToClient },
    },
  }
}
