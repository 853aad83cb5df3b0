import { assertBytes, copyBytes, copySecret, equalBytes, wipe } from '../bytes.js'
import { type CipherSuite, HANDSHAKE_NONCE_SIZE, PacketType, SESSION_ID_SIZE } from '../constants.js'
import type { KeyPair } from '../crypto.js'
import { UsmpError } from '../errors.js'
import type { Frame } from '../frame.js'
import { clientMac, deriveKeys, type KeySchedule, serverMac, type Transcript } from '../keys.js'
import { challenge, expectType, hello, helloAck, helloRetry, sessionOk } from '../messages.js'
import type { HandshakeFrame, HandshakeStep, ServerConfig, ServerHandshake } from './handshake.js'

/** Bytes that stand in for the key of an unknown device. */
const PSK_STAND_IN_SIZE = 32

/** Awaits HELLO. */
interface AwaitingHello {
  readonly kind: 'awaiting hello'
}

/** Has a HELLO and awaits the application's answer, `authorize`. */
interface AwaitingPsk {
  readonly kind: 'awaiting psk'
  readonly deviceId: Uint8Array
  readonly clientPublic: Uint8Array
}

/** Awaits HELLO_ACK. */
interface AwaitingHelloAck {
  readonly kind: 'awaiting hello ack'
  readonly deviceId: Uint8Array
  readonly psk: Uint8Array
  /** False if the PSK is a random one that stands in for that of an unknown device. */
  readonly known: boolean
  readonly suite: CipherSuite
  readonly keyPair: KeyPair
  readonly transcript: Transcript
}

type State = AwaitingHello | AwaitingPsk | AwaitingHelloAck

const START: State = { kind: 'awaiting hello' }

/** The server of wire versions 1 and 2 (specification, section 3.10). */
export class ChallengeServer implements ServerHandshake {
  readonly #config: ServerConfig
  readonly #schedule: KeySchedule
  #state: State = START
  /** What `authorize` was given, also for an unknown device. */
  #psk: Uint8Array | undefined
  #unprovenReported = false

  constructor(config: ServerConfig, schedule: KeySchedule) {
    this.#config = config
    this.#schedule = schedule
  }

  get waitingFor(): string {
    return this.#state.kind
  }

  receive(frame: Frame): HandshakeStep {
    const state = this.#state
    const restarts = this.#config.allowRestart && frame.type === PacketType.HELLO
    if (restarts || state.kind === 'awaiting hello') return this.#onHello(state, frame)
    if (state.kind === 'awaiting hello ack') return this.#onHelloAck(state, frame)
    throw new UsmpError('UNEXPECTED_PACKET', 'a frame before CHALLENGE was sent')
  }

  authorize({ psk, suite }: { psk: Uint8Array; suite: CipherSuite }, known: boolean): HandshakeFrame {
    const state = this.#state
    if (state.kind !== 'awaiting psk') throw new UsmpError('INVALID_ARGUMENT', 'no HELLO is waiting for a key')
    const { deviceId, clientPublic } = state
    const { provider, random } = this.#config
    const keyPair = provider.generateKeyPair(random)
    const nonce = random(HANDSHAKE_NONCE_SIZE)
    const serverPublic = keyPair.publicKey
    const transcript = { nonce, clientPublic, serverPublic }
    // Drawn for a known device too, so that both take the same time.
    const standIn = random(PSK_STAND_IN_SIZE)
    wipe(this.#psk)
    this.#psk = copySecret(psk)
    const used = known ? this.#psk : standIn
    this.#state = { kind: 'awaiting hello ack', deviceId, psk: used, known, suite, keyPair, transcript }
    return { type: PacketType.CHALLENGE, seq: 0, payload: challenge.encode({ nonce, publicKey: serverPublic }) }
  }

  dropHello(): boolean {
    if (this.#state.kind !== 'awaiting psk') return false
    this.#state = START
    return true
  }

  wipe(): void {
    wipe(this.#psk)
    wipeState(this.#state)
  }

  #onHello(state: State, frame: Frame): HandshakeStep {
    expectType(frame, PacketType.HELLO)
    const { deviceId, publicKey: clientPublic, cookie } = hello.decode(frame)
    const { cookies, ignoreDuplicates } = this.#config
    if (cookies) {
      if (!cookie) {
        const payload = helloRetry.encode({ cookie: cookies.issue() })
        return { send: { type: PacketType.HELLO_RETRY, seq: 0, payload }, stateless: true }
      }
      if (!cookies.verify(cookie)) throw new UsmpError('BAD_COOKIE')
    }
    if (ignoreDuplicates && isRepeat(state, deviceId, clientPublic)) return {}
    // An answer under way is about the device that was asked for, and so are the guesses that are counted (section 3.12).
    if (state.kind !== 'awaiting hello' && !equalBytes(deviceId, state.deviceId)) {
      throw new UsmpError('UNEXPECTED_PACKET', 'HELLO of another device during the handshake of one')
    }
    wipeState(state)
    this.#state = { kind: 'awaiting psk', deviceId, clientPublic }
    // The same device again while it is looked up: the answer under way will do.
    if (state.kind === 'awaiting psk') return { progress: true, restarted: true }
    // A listener may do with its copy what it likes.
    return { progress: true, restarted: true, hello: { deviceId: copyBytes(deviceId) } }
  }

  #onHelloAck(state: AwaitingHelloAck, frame: Frame): HandshakeStep {
    expectType(frame, PacketType.HELLO_ACK)
    const { mac } = helloAck.decode(frame)
    const { provider, random } = this.#config
    const { deviceId, psk, suite, keyPair, transcript } = state
    // The mac needs no Diffie-Hellman, so it is judged before the server spends one (specification, section 3.10).
    const proven = equalBytes(mac, clientMac(provider, this.#schedule, psk, deviceId, transcript))
    if (!state.known) {
      this.#reportUnproven(state, mac)
      throw new UsmpError('UNKNOWN_DEVICE')
    }
    if (!proven) throw new UsmpError('AUTH_FAILED', 'the device did not prove that it knows its key')
    const derived = deriveKeys(provider, this.#schedule, keyPair, transcript.clientPublic, transcript)
    keyPair.wipe()
    const sessionId = random(SESSION_ID_SIZE)
    const handshakeMac = serverMac(provider, this.#schedule, psk, sessionId, transcript)
    wipe(this.#psk)
    const keys = { tx: derived.serverToClient, rx: derived.clientToServer }
    return {
      send: { type: PacketType.SESSION_OK, seq: 0, payload: sessionOk.encode({ sessionId, mac: handshakeMac }) },
      established: { deviceId, sessionId, suite, keys },
      progress: true,
    }
  }

  /** After the proof was judged against the stand-in, so that the peer cannot tell an unknown device from a wrong key. */
  #reportUnproven(state: AwaitingHelloAck, mac: Uint8Array): void {
    if (this.#unprovenReported) return
    this.#unprovenReported = true
    const { provider, onUnproven } = this.#config
    const schedule = this.#schedule
    const { deviceId } = state
    // The key pair is the provider's, and its bytes may not outlast it. All others are copies already.
    const transcript = { ...state.transcript, serverPublic: copyBytes(state.transcript.serverPublic) }
    onUnproven({
      deviceId: copyBytes(deviceId),
      matches(psk) {
        assertBytes('psk', psk)
        return equalBytes(mac, clientMac(provider, schedule, psk, deviceId, transcript))
      },
    })
  }
}

function isRepeat(state: State, deviceId: Uint8Array, clientPublic: Uint8Array): boolean {
  if (state.kind === 'awaiting hello') return false
  const known = state.kind === 'awaiting psk' ? state.clientPublic : state.transcript.clientPublic
  return equalBytes(deviceId, state.deviceId) && equalBytes(clientPublic, known)
}

function wipeState(state: State): void {
  if (state.kind === 'awaiting hello ack') state.keyPair.wipe()
}
