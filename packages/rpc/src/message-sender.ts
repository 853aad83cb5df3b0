import { type Abortable, throwIfAborted, UsmpError, WaitQueue } from '@usmp/core'
import { CHUNK_HEADER, formatChunk, MAX_UNFINISHED } from './chunks.js'
import type { RpcSession } from './session.js'

interface SendOptions extends Abortable {
  /** Told the number of the message if it is cut into chunks. */
  readonly onNumber?: (number: number) => void
}

/** Most large messages that may wait for a slot. */
const MAX_WAITING = 1024

const encoder = new TextEncoder()
const NOTHING = new Uint8Array(0)

/** Sends texts of any length up to a bound. Small ones overtake large ones, which leave chunk by chunk. */
export class MessageSender {
  readonly #session: RpcSession
  /** Longest message that is sent, bytes of JSON. */
  readonly #limit: number
  /** Bytes of a message in one chunk. */
  readonly #chunkSize: number
  #nextNumber = 0
  #unfinished = 0
  /** Calls that wait for a slot. */
  readonly #waiting = new WaitQueue(MAX_WAITING, 'large messages wait to be sent')

  /**
   * @param limit longest message that is sent, bytes of JSON
   * @throws UsmpError INVALID_ARGUMENT if the session takes no chunk
   */
  constructor(session: RpcSession, limit: number) {
    this.#session = session
    this.#limit = limit
    this.#chunkSize = session.maxMessage - CHUNK_HEADER
    if (!(this.#chunkSize > 0)) throw new UsmpError('INVALID_ARGUMENT', 'maxMessage of the session is too small')
  }

  /**
   * Sends a text; waits while the session is full.
   * @throws UsmpError MESSAGE_TOO_LARGE; ABORTED, after which the peer has nothing of it; QUEUE_FULL; the reason of the end
   */
  async send(text: string, options: SendOptions = {}): Promise<void> {
    const bytes = this.#encode(text)
    if (bytes.length <= this.#session.maxMessage) return this.#session.send(bytes, { signal: options.signal })
    await this.#acquireSlot(options)
    try {
      await this.#sendChunks(bytes, options)
    } finally {
      this.#releaseSlot()
    }
  }

  /**
   * Sends a text if the session takes it right now; false if not. What is cut into chunks is begun now or not at all.
   * @throws UsmpError MESSAGE_TOO_LARGE
   */
  trySend(text: string): boolean {
    const bytes = this.#encode(text)
    if (bytes.length <= this.#session.maxMessage) return this.#session.trySend(bytes)
    if (this.#unfinished >= MAX_UNFINISHED) return false
    const number = this.#nextNumber++ & 0xffff
    if (!this.#session.trySend(this.#chunkAt(number, bytes, 0))) return false
    this.#unfinished++
    this.#sendRest(number, bytes, this.#chunkSize)
      // The session has ended; its reason is told elsewhere.
      .catch(() => {})
      .finally(() => this.#releaseSlot())
    return true
  }

  #encode(text: string): Uint8Array {
    const bytes = encoder.encode(text)
    if (bytes.length <= this.#limit) return bytes
    throw new UsmpError('MESSAGE_TOO_LARGE', `${bytes.length} bytes of JSON, where at most ${this.#limit} are sent`, {
      hint: 'Send less at a time, or raise `limits.message` at both ends.',
    })
  }

  async #sendChunks(bytes: Uint8Array, { signal, onNumber }: SendOptions): Promise<void> {
    const number = this.#nextNumber++ & 0xffff
    onNumber?.(number)
    await this.#session.send(this.#chunkAt(number, bytes, 0), { signal })
    try {
      await this.#sendRest(number, bytes, this.#chunkSize, signal)
    } catch (error) {
      // So that the peer does not keep the beginning. After the end of the session this fails, and does not matter.
      this.#session.send(formatChunk(number, bytes.length, 0, NOTHING)).catch(() => {})
      throw error
    }
  }

  async #sendRest(number: number, bytes: Uint8Array, from: number, signal?: AbortSignal): Promise<void> {
    for (let offset = from; offset < bytes.length; offset += this.#chunkSize) {
      await this.#session.send(this.#chunkAt(number, bytes, offset), { signal })
    }
  }

  /** Takes one of the slots for unfinished messages, when one is free. */
  async #acquireSlot({ signal }: Abortable): Promise<void> {
    throwIfAborted(signal)
    if (this.#unfinished >= MAX_UNFINISHED) return this.#waiting.wait(signal)
    this.#unfinished++
  }

  /** Hands the slot to the call that has waited longest. */
  #releaseSlot(): void {
    const next = this.#waiting.shift()
    if (next) next.resolve()
    else this.#unfinished--
  }

  #chunkAt(number: number, bytes: Uint8Array, offset: number): Uint8Array {
    return formatChunk(number, bytes.length, offset, bytes.subarray(offset, offset + this.#chunkSize))
  }
}
