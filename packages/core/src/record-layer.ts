import { copySecret, readUint32, wipe, writeUint32 } from './bytes.js'
import {
  AUTHENTICATED_HEADER_SIZE,
  type CipherSuite,
  HEADER_SIZE,
  NONCE_SIZE,
  PacketType,
  SEQ_LIMIT,
} from './constants.js'
import type { Aead, CryptoProvider } from './crypto.js'
import { UsmpError } from './errors.js'
import { type Frame, finishFrame, writeHeader } from './frame.js'
import type { HandshakeResult } from './handshake/handshake.js'
import { deriveRekeyKeys, type TrafficKeys } from './keys.js'
import type { ReplayWindow } from './replay.js'
import type { WireProtocol } from './wire-protocol.js'

/** Bytes of a nonce: the sequence number, then the beginning of the session id. */
const SEQ_BYTES = 4
const NONCE_SESSION_BYTES = NONCE_SIZE - SEQ_BYTES

/** A receive key and what was received under it. */
interface ReceiveEpoch {
  readonly key: Uint8Array
  readonly aead: Aead
  /** The next number on ordered transports. */
  next: number
  /** On datagram transports: the numbers seen. */
  readonly window: ReplayWindow | undefined
}

/** A REKEY of ours that no frame of the peer has confirmed yet. */
interface PendingRekey {
  /** The keys both REKEYs of a collision are sealed under. */
  readonly oldKeys: TrafficKeys
  /** The peer's own REKEY came too, and ours won. */
  collided: boolean
}

/** What the record layer takes of a wire protocol. */
type RecordProtocol = Pick<WireProtocol, 'version' | 'recordFormat'>

/**
 * Seals and opens the frames of one session: nonces, sequence numbers, replay protection, key changes
 * (specification, sections 4.1–4.5 and 5).
 *
 * The session calls `seal` for each frame that leaves, and `checkReplay`, then `open` for each that arrives; `startRekey` and
 * `acceptRekey` change the keys. The record layer owns the keys, the numbers and the replay windows. A number must never be
 * used twice under one key, and nothing may change for a frame that is not authentic.
 */
export class RecordLayer {
  readonly #provider: CryptoProvider
  readonly #protocol: RecordProtocol
  readonly #suite: CipherSuite
  readonly #sessionId: Uint8Array
  readonly #Window: typeof ReplayWindow | undefined
  readonly #client: boolean
  #txKey: Uint8Array
  #tx: Aead
  #txNext = 0
  /** In the order in which the peer uses them; more than one only while a rekey is under way. */
  #epochs: ReceiveEpoch[]
  #pending: PendingRekey | undefined
  #openedAny = false
  #receiveEpoch = 0
  #txEpoch = 0

  /**
   * @param Window on datagrams: the class {@link ReplayWindow}. Without it the transport keeps order and loses nothing, so
   * that the next number is the only good one
   * @param client whether this end is the client, which wins if both ends rekey at once
   * @param start the first numbers of both directions; anything but 0 is for tests near the end of the numbers
   */
  constructor(
    provider: CryptoProvider,
    protocol: RecordProtocol,
    { suite, sessionId, keys }: Omit<HandshakeResult, 'deviceId'>,
    Window: typeof ReplayWindow | undefined,
    client: boolean,
    start: { readonly tx: number; readonly rx: number } = { tx: 0, rx: 0 },
  ) {
    this.#provider = provider
    this.#protocol = protocol
    this.#suite = suite
    this.#sessionId = sessionId
    this.#Window = Window
    this.#client = client
    this.#txKey = keys.tx
    this.#tx = provider.aead(suite, keys.tx)
    this.#txNext = start.tx
    this.#epochs = [this.#makeEpoch(keys.rx)]
    this.#epochs[0]!.next = start.rx
  }

  /** How many frames can still be sealed. */
  get remaining(): number {
    return SEQ_LIMIT - this.#txNext
  }

  /** Changes when the peer's first frame under a newer key is accepted. */
  get receiveEpoch(): number {
    return this.#receiveEpoch
  }

  /** Changes with every new sending key. */
  get sendEpoch(): number {
    return this.#txEpoch
  }

  /** The number of the next frame that is sealed. */
  get nextSeq(): number {
    return this.#txNext
  }

  /** The key that the next frame is sealed under; wiped when it is replaced. */
  get sendKey(): Uint8Array {
    return this.#txKey
  }

  /** The key of the frame that was opened last; wiped when the peer has left it behind. */
  get receiveKey(): Uint8Array {
    return this.#epochs[0]!.key
  }

  /** Whether a REKEY of ours waits for the first frame under the new keys. */
  get rekeying(): boolean {
    return this.#pending !== undefined
  }

  /**
   * Seals a plaintext of at most `recordFormat.maxPlaintext` bytes. Its sequence number is used up from here on, whatever becomes of the frame.
   * @returns the whole frame
   * @throws UsmpError SEQ_EXHAUSTED
   */
  seal(type: number, plaintext: Uint8Array): Uint8Array {
    if (this.#txNext >= SEQ_LIMIT) throw new UsmpError('SEQ_EXHAUSTED')
    const seq = this.#txNext++
    const { version, recordFormat } = this.#protocol
    const length = recordFormat.overhead + plaintext.length
    const frame = new Uint8Array(HEADER_SIZE + length)
    writeHeader(frame, version, type, seq, length)
    // No scratch is shared: a provider that calls back would seal under a wrong nonce.
    const aad = frame.subarray(0, AUTHENTICATED_HEADER_SIZE)
    const sealedAt = recordFormat.nonceOnWire ? HEADER_SIZE + NONCE_SIZE : HEADER_SIZE
    const nonce = recordFormat.nonceOnWire ? frame.subarray(HEADER_SIZE, sealedAt) : new Uint8Array(NONCE_SIZE)
    this.#writeNonce(nonce, seq)
    this.#tx.seal(nonce, aad, plaintext, frame.subarray(sealedAt))
    finishFrame(frame)
    return frame
  }

  /**
   * On datagrams: refuses a number that is known to be old, before anything else is looked at.
   * @throws UsmpError REPLAYED
   */
  checkReplay(seq: number): void {
    if (!this.#epochs.some((receiveEpoch) => mayAccept(receiveEpoch, seq))) throw replayed(seq)
  }

  /** On datagrams: the key under which a frame with this number was accepted, if there was one and that can still be told. */
  keyOfSeen(seq: number): Uint8Array | undefined {
    return this.#epochs.find((receiveEpoch) => receiveEpoch.window?.check(seq) === 'duplicate')?.key
  }

  /**
   * Opens a sealed frame. Nothing changes unless it is authentic.
   * @throws UsmpError REPLAYED (datagrams), BAD_PAYLOAD, BAD_NONCE, SUITE_MISMATCH, DECRYPT_FAILED: not authentic;
   * SEQ_EXHAUSTED, SEQ_MISMATCH: authentic, but not acceptable
   */
  open(frame: Frame): Uint8Array {
    this.checkReplay(frame.seq)
    const { receiveEpoch, plaintext } = this.#decrypt(frame)
    this.#accept(receiveEpoch, frame.seq)
    return plaintext
  }

  /**
   * On datagrams: whether a frame whose number is new was sealed by the peer. Nothing changes, so that it can still be
   * opened when it comes again.
   */
  isGenuine(frame: Frame): boolean {
    try {
      this.checkReplay(frame.seq)
      this.#decrypt(frame)
      return true
    } catch {
      return false
    }
  }

  /** @throws UsmpError for a frame that is not authentic */
  #decrypt(frame: Frame): { readonly receiveEpoch: ReceiveEpoch; readonly plaintext: Uint8Array } {
    const payload = frame.payload
    const { overhead, nonceOnWire } = this.#protocol.recordFormat
    if (payload.length < overhead) {
      throw new UsmpError('BAD_PAYLOAD', `a sealed payload has at least ${overhead} bytes`)
    }
    const nonce = nonceOnWire ? payload.subarray(0, NONCE_SIZE) : new Uint8Array(NONCE_SIZE)
    if (!nonceOnWire) this.#writeNonce(nonce, frame.seq)
    else if (!this.#isNonce(nonce, frame.seq)) throw new UsmpError('BAD_NONCE')
    const aad = new Uint8Array(AUTHENTICATED_HEADER_SIZE)
    writeHeader(aad, frame.version, frame.type, frame.seq, payload.length)
    const sealed = nonceOnWire ? payload.subarray(NONCE_SIZE) : payload
    for (const receiveEpoch of this.#epochs) {
      if (!mayAccept(receiveEpoch, frame.seq)) continue
      const plaintext = receiveEpoch.aead.open(nonce, aad, sealed)
      if (plaintext) return { receiveEpoch, plaintext }
    }
    // Under the keys that have not seen the number it is nothing, so it is the frame that was seen.
    if (this.keyOfSeen(frame.seq)) throw replayed(frame.seq)
    throw new UsmpError(this.#Window || this.#openedAny ? 'DECRYPT_FAILED' : 'SUITE_MISMATCH')
  }

  /**
   * Seals a REKEY and switches to its keys for sending; the old receive key stays for the frames under way.
   * @throws UsmpError INVALID_ARGUMENT while an earlier rekey is unconfirmed, SEQ_EXHAUSTED
   */
  startRekey(salt: Uint8Array): Uint8Array {
    if (this.#pending) throw new UsmpError('INVALID_ARGUMENT', 'a rekey is under way already')
    const frame = this.seal(PacketType.REKEY, salt)
    const oldKeys = { tx: copySecret(this.#txKey), rx: copySecret(this.#epochs.at(-1)!.key) }
    const next = deriveRekeyKeys(this.#provider, oldKeys, true, salt, this.#sessionId)
    this.#setTx(next.tx)
    this.#epochs.push(this.#makeEpoch(next.rx))
    this.#pending = { oldKeys, collided: false }
    return frame
  }

  /**
   * Follows the peer's REKEY, which has just been opened.
   * @param salt 32 bytes
   * @throws UsmpError UNEXPECTED_PACKET for one that no honest peer sends
   */
  acceptRekey(salt: Uint8Array): void {
    // An honest peer sends it under the newest key it knows of: ours, too, unless both rekey at once.
    const epochs = this.#pending ? 2 : 1
    if (this.#pending?.collided || this.#epochs.length !== epochs) {
      throw new UsmpError('UNEXPECTED_PACKET', 'REKEY under an older key')
    }
    const current = this.#pending?.oldKeys ?? { tx: this.#txKey, rx: this.#epochs.at(-1)!.key }
    const next = deriveRekeyKeys(this.#provider, current, false, salt, this.#sessionId)
    if (this.#pending && this.#client) {
      // Both at once and we win. The server may have sent frames under its losing keys before it heard of ours.
      this.#epochs.splice(-1, 0, this.#makeEpoch(next.rx))
      wipe(next.tx)
      this.#pending.collided = true
      return
    }
    if (this.#pending) {
      // Both at once and we lose: the epoch of our own REKEY will never be used by the peer.
      this.#wipeEpochs(this.#epochs.splice(-1, 1))
      this.#endPending()
    }
    this.#setTx(next.tx)
    this.#epochs.push(this.#makeEpoch(next.rx))
  }

  /** Forgets every key. */
  wipe(): void {
    this.#tx.wipe()
    wipe(this.#txKey)
    this.#wipeEpochs(this.#epochs.splice(0))
    this.#endPending()
  }

  /** seq, then the first 8 bytes of the session id (specification, section 4.2). */
  #writeNonce(nonce: Uint8Array, seq: number): void {
    writeUint32(nonce, 0, seq)
    for (let i = 0; i < NONCE_SESSION_BYTES; i++) nonce[SEQ_BYTES + i] = this.#sessionId[i]!
  }

  #isNonce(nonce: Uint8Array, seq: number): boolean {
    if (readUint32(nonce, 0) !== seq) return false
    for (let i = 0; i < NONCE_SESSION_BYTES; i++) if (nonce[SEQ_BYTES + i] !== this.#sessionId[i]) return false
    return true
  }

  #accept(receiveEpoch: ReceiveEpoch, seq: number): void {
    this.#openedAny = true
    if (seq >= SEQ_LIMIT) throw new UsmpError('SEQ_EXHAUSTED')
    const { window, next } = receiveEpoch
    if (window) window.commit(seq)
    else {
      if (seq !== next) throw new UsmpError('SEQ_MISMATCH', `number ${seq} instead of ${next}`)
      receiveEpoch.next++
    }
    const index = this.#epochs.indexOf(receiveEpoch)
    if (index === 0) return
    this.#wipeEpochs(this.#epochs.splice(0, index))
    this.#receiveEpoch += index
    if (this.#epochs.length === 1) this.#endPending()
  }

  #makeEpoch(key: Uint8Array): ReceiveEpoch {
    return { key, aead: this.#provider.aead(this.#suite, key), next: 0, window: this.#Window && new this.#Window() }
  }

  #setTx(key: Uint8Array): void {
    this.#tx.wipe()
    wipe(this.#txKey)
    this.#txKey = key
    this.#tx = this.#provider.aead(this.#suite, key)
    this.#txNext = 0
    this.#txEpoch++
  }

  #wipeEpochs(epochs: readonly ReceiveEpoch[]): void {
    for (const receiveEpoch of epochs) {
      receiveEpoch.aead.wipe()
      wipe(receiveEpoch.key)
    }
  }

  #endPending(): void {
    wipe(this.#pending?.oldKeys.tx, this.#pending?.oldKeys.rx)
    this.#pending = undefined
  }
}

/** Whether a number is not known to be old, before its frame is authentic. */
function mayAccept({ window }: ReceiveEpoch, seq: number): boolean {
  return !window || window.check(seq) === 'new'
}

function replayed(seq: number): UsmpError {
  return new UsmpError('REPLAYED', `sequence number ${seq}`)
}

/** Whether an error of {@link RecordLayer.open} is about a frame whose tag was good. */
export function isAuthentic(error: UsmpError): boolean {
  return error.code === 'SEQ_MISMATCH' || error.code === 'SEQ_EXHAUSTED'
}
