import { equalBytes, wipe } from '../bytes.js'
import { PacketType } from '../constants.js'
import type { KeyPair } from '../crypto.js'
import { UsmpError } from '../errors.js'
import type { Frame } from '../frame.js'
import { clientMac, type DirectionalKeys, deriveKeys, type KeySchedule, serverMac, type Transcript } from '../keys.js'
import { challenge, expectType, hello, helloAck, helloRetry, sessionOk } from '../messages.js'
import type { ClientConfig, ClientHandshake, HandshakeFrame, HandshakeStep, Refusal } from './handshake.js'

/** Most challenges kept at a time; the oldest gives way. */
const MAX_CHALLENGES = 4

/** Awaits CHALLENGE, or one HELLO_RETRY. */
interface AwaitingChallenge {
  readonly kind: 'awaiting challenge'
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
  readonly kind: 'awaiting session ok'
  /** Wiped already unless further challenges are answered. */
  readonly keyPair: KeyPair
  /** Oldest first. */
  readonly challenges: readonly AnsweredChallenge[]
}

type State = AwaitingChallenge | AwaitingSessionOk

const BEFORE_CHALLENGE: Refusal = {
  detail: 'before CHALLENGE',
  awaited: PacketType.CHALLENGE,
  hint: 'Likely, in this order: locked out after failures, a connection limit of the server, another wire version, or not a USMP server.',
}
const BEFORE_SESSION_OK: Refusal = {
  detail: 'after our proof, before SESSION_OK',
  awaited: PacketType.SESSION_OK,
  hint: 'Most likely the key is wrong or the device id unknown at the server; its log says which.',
}

/** The client of wire versions 1 and 2: HELLO, CHALLENGE, HELLO_ACK, SESSION_OK (specification, section 3.9). */
export class ChallengeClient implements ClientHandshake {
  readonly #config: ClientConfig
  readonly #schedule: KeySchedule
  readonly #ackSeq: number
  #state: State

  /**
   * @param ackSeq the sequence number of HELLO_ACK
   * @throws UsmpError RANDOM_FAILED
   */
  constructor(config: ClientConfig, schedule: KeySchedule, ackSeq: number) {
    this.#config = config
    this.#schedule = schedule
    this.#ackSeq = ackSeq
    const keyPair = config.provider.generateKeyPair(config.random)
    this.#state = { kind: 'awaiting challenge', keyPair, retried: false }
  }

  get waitingFor(): string {
    return this.#state.kind
  }

  get proofSent(): boolean {
    return this.#state.kind === 'awaiting session ok'
  }

  get refusal(): Refusal {
    return this.proofSent ? BEFORE_SESSION_OK : BEFORE_CHALLENGE
  }

  start(): HandshakeFrame {
    return this.#hello(0)
  }

  receive(frame: Frame): HandshakeStep {
    const state = this.#state
    switch (state.kind) {
      case 'awaiting challenge':
        if (frame.type === PacketType.HELLO_RETRY) return this.#onHelloRetry(state, frame)
        expectType(frame, PacketType.CHALLENGE)
        return this.#onChallenge([], frame, true)
      case 'awaiting session ok':
        // A further challenge may be forged: it gives no more time, and does not stop the answer to another one.
        if (this.#config.allowMultipleChallenges && frame.type === PacketType.CHALLENGE) {
          return this.#onChallenge(state.challenges, frame, false)
        }
        return this.#onSessionOk(state, frame)
      default:
        return state satisfies never
    }
  }

  wipe(): void {
    wipe(this.#config.psk)
    if (this.#state.kind === 'awaiting session ok') wipeChallenges(this.#state.challenges)
    this.#state.keyPair.wipe()
  }

  #hello(seq: number, cookie?: Uint8Array): HandshakeFrame {
    const { deviceId } = this.#config
    const { publicKey } = this.#state.keyPair
    return { type: PacketType.HELLO, seq, payload: hello.encode({ deviceId, publicKey, cookie }) }
  }

  #onHelloRetry(state: AwaitingChallenge, frame: Frame): HandshakeStep {
    if (state.retried) throw new UsmpError('UNEXPECTED_PACKET', 'a second HELLO_RETRY')
    const { cookie } = helloRetry.decode(frame)
    this.#state = { ...state, retried: true }
    return { send: this.#hello(1, cookie), progress: true }
  }

  #onChallenge(answered: readonly AnsweredChallenge[], frame: Frame, progress: boolean): HandshakeStep {
    const { nonce, publicKey: serverPublic } = challenge.decode(frame)
    const { provider, psk, deviceId, allowMultipleChallenges } = this.#config
    const { keyPair } = this.#state
    const isRepeat = ({ transcript }: AnsweredChallenge) =>
      equalBytes(transcript.nonce, nonce) && equalBytes(transcript.serverPublic, serverPublic)
    if (answered.some(isRepeat)) return {}
    const transcript = { nonce, clientPublic: keyPair.publicKey, serverPublic }
    const keys = deriveKeys(provider, this.#schedule, keyPair, serverPublic, transcript)
    const mac = clientMac(provider, this.#schedule, psk, deviceId, transcript)
    if (!allowMultipleChallenges) keyPair.wipe()
    const kept = answered.slice(-MAX_CHALLENGES + 1)
    wipeChallenges(answered.slice(0, answered.length - kept.length))
    this.#state = { kind: 'awaiting session ok', keyPair, challenges: [...kept, { transcript, keys }] }
    return { send: { type: PacketType.HELLO_ACK, seq: this.#ackSeq, payload: helloAck.encode({ mac }) }, progress }
  }

  #onSessionOk(state: AwaitingSessionOk, frame: Frame): HandshakeStep {
    expectType(frame, PacketType.SESSION_OK)
    const { sessionId, mac } = sessionOk.decode(frame)
    const { provider, psk, deviceId, suite } = this.#config
    const chosen = state.challenges.find(({ transcript }) =>
      equalBytes(mac, serverMac(provider, this.#schedule, psk, sessionId, transcript)),
    )
    if (!chosen) {
      const detail = 'the server did not prove that it knows the key of this device'
      throw new UsmpError('AUTH_FAILED', detail, { awaited: PacketType.SESSION_OK })
    }
    state.keyPair.wipe()
    wipeChallenges(state.challenges.filter((challenge) => challenge !== chosen))
    wipe(psk)
    const { clientToServer, serverToClient } = chosen.keys
    const keys = { tx: clientToServer, rx: serverToClient }
    return { established: { deviceId, sessionId, suite, keys }, progress: true }
  }
}

function wipeChallenges(challenges: readonly AnsweredChallenge[]): void {
  for (const { keys } of challenges) wipe(keys.clientToServer, keys.serverToClient)
}
