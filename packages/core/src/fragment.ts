import { assertBytes, concatBytes } from './bytes.js'
import { MAX_FRAGMENTS, MAX_MESSAGE, MAX_PLAINTEXT, PacketType } from './constants.js'
import { UsmpError } from './errors.js'

/** A piece of a message on its way: DATA_FRAG for all but the last, which is DATA. */
export interface Fragment {
  readonly type: typeof PacketType.DATA | typeof PacketType.DATA_FRAG
  readonly plaintext: Uint8Array
}

/**
 * Checks a message.
 * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array, MESSAGE_TOO_LARGE over 1808 bytes
 */
export function assertMessage(message: Uint8Array): void {
  assertBytes('message', message)
  if (message.length > MAX_MESSAGE) throw new UsmpError('MESSAGE_TOO_LARGE', `${message.length} bytes`)
}

/**
 * Cuts a message into 1 to 4 fragments of at most 452 bytes; an empty message is one empty DATA
 * (specification, section 4.6). The pieces are views.
 * @throws UsmpError like {@link assertMessage}
 */
export function splitMessage(message: Uint8Array): Fragment[] {
  assertMessage(message)
  // Nearly all of them.
  if (message.length <= MAX_PLAINTEXT) return [{ type: PacketType.DATA, plaintext: message }]
  const count = Math.ceil(message.length / MAX_PLAINTEXT)
  return Array.from({ length: count }, (_, i) => ({
    type: i === count - 1 ? PacketType.DATA : PacketType.DATA_FRAG,
    plaintext: message.subarray(i * MAX_PLAINTEXT, (i + 1) * MAX_PLAINTEXT),
  }))
}

/** Puts fragments together; holds at most 3 of them (1356 bytes). */
export class Reassembler {
  #parts: Uint8Array[] = []
  #nextSeq = 0

  /** Whether a message is half built, so that no other frame may come. */
  get busy(): boolean {
    return this.#parts.length > 0
  }

  /**
   * Takes the next authenticated DATA or DATA_FRAG.
   * @returns the message, if this was its last fragment
   * @throws UsmpError BAD_FRAGMENT for a gap in the sequence numbers or a fourth fragment that is not the last;
   * what was half built is dropped
   */
  push(type: number, seq: number, plaintext: Uint8Array): Uint8Array | undefined {
    const last = type === PacketType.DATA
    if (this.busy && seq !== this.#nextSeq) {
      this.reset()
      throw new UsmpError('BAD_FRAGMENT', 'a fragment is missing')
    }
    if (!last && this.#parts.length === MAX_FRAGMENTS - 1) {
      this.reset()
      throw new UsmpError('BAD_FRAGMENT', `more than ${MAX_FRAGMENTS} fragments`)
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
