import { assertBytes, concatBytes } from './bytes.js'
import { MAX_FRAGMENTS, PacketType } from './constants.js'
import { UsmpError } from './errors.js'

/** A part of a message on its way: DATA_FRAG for all but the last, which is DATA. */
export interface Fragment {
  readonly type: typeof PacketType.DATA | typeof PacketType.DATA_FRAG
  readonly plaintext: Uint8Array
}

/** How large messages may be, and how they are cut. */
export interface MessageLimits {
  /** Largest plaintext of one frame, bytes. */
  readonly maxPlaintext: number
  /** Most frames one message may take. */
  readonly maxFragments: number
  /** Largest message, bytes. */
  readonly maxMessage: number
}

/** The limits of a connection whose frames hold so many bytes. */
export function messageLimits(maxPlaintext: number): MessageLimits {
  return { maxPlaintext, maxFragments: MAX_FRAGMENTS, maxMessage: maxPlaintext * MAX_FRAGMENTS }
}

/**
 * Checks a message, or what stands in a frame.
 * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array, MESSAGE_TOO_LARGE over `max` bytes
 */
export function assertMessage(message: Uint8Array, max: number): void {
  assertBytes('message', message)
  if (message.length > max) throw new UsmpError('MESSAGE_TOO_LARGE', `${message.length} bytes, and at most ${max}`)
}

/**
 * Cuts a message into as many fragments as it needs; an empty message is one empty DATA (specification, section 4.6). The
 * fragments are views.
 * @throws UsmpError like {@link assertMessage}
 */
export function splitMessage(message: Uint8Array, { maxPlaintext, maxMessage }: MessageLimits): Fragment[] {
  assertMessage(message, maxMessage)
  // Nearly all of them.
  if (message.length <= maxPlaintext) return [{ type: PacketType.DATA, plaintext: message }]
  const count = Math.ceil(message.length / maxPlaintext)
  return Array.from({ length: count }, (_, i) => ({
    type: i === count - 1 ? PacketType.DATA : PacketType.DATA_FRAG,
    plaintext: message.subarray(i * maxPlaintext, (i + 1) * maxPlaintext),
  }))
}

/** Puts fragments together; holds at most `maxFragments` − 1 of them. */
export class Reassembler {
  readonly #maxFragments: number
  #parts: Uint8Array[] = []
  #nextSeq = 0

  constructor(maxFragments: number) {
    this.#maxFragments = maxFragments
  }

  /** Whether a message is half built, so that no other frame may come. */
  get busy(): boolean {
    return this.#parts.length > 0
  }

  /**
   * Takes the next authenticated DATA or DATA_FRAG.
   * @returns the message, if this was its last fragment
   * @throws UsmpError BAD_FRAGMENT for a gap in the sequence numbers, or too many fragments;
   * what was half built is dropped
   */
  push(type: number, seq: number, plaintext: Uint8Array): Uint8Array | undefined {
    const last = type === PacketType.DATA
    if (this.busy && seq !== this.#nextSeq) {
      this.reset()
      throw new UsmpError('BAD_FRAGMENT', 'a fragment is missing')
    }
    if (!last && this.#parts.length === this.#maxFragments - 1) {
      this.reset()
      throw new UsmpError('BAD_FRAGMENT', `more than ${this.#maxFragments} fragments`)
    }
    if (last && !this.busy) return plaintext
    this.#parts.push(plaintext)
    this.#nextSeq = seq + 1
    if (!last) return undefined
    const message = concatBytes(...this.#parts)
    this.reset()
    return message
  }

  /** Drops what is half built. */
  reset(): void {
    this.#parts = []
  }
}
