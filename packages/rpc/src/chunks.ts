import { RpcCode, RpcError } from './codes.js'
import { RejectedMessage } from './envelope.js'

/** First byte of a chunk. It occurs nowhere in UTF-8, so no JSON message begins with it. */
export const CHUNK_MARK = 0xff
/** mark 1, number of the message 2, length of the whole message 4, offset of the chunk 4; little-endian. */
export const CHUNK_HEADER = 11
/** Most messages of one sender that may be unfinished at a time. */
export const MAX_UNFINISHED = 4

/** One chunk of message `number`: `data` stands at `offset` of `total` bytes. Without data it gives the message up. */
export function formatChunk(number: number, total: number, offset: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(CHUNK_HEADER + data.length)
  const view = new DataView(out.buffer)
  view.setUint8(0, CHUNK_MARK)
  view.setUint16(1, number, true)
  view.setUint32(3, total, true)
  view.setUint32(7, offset, true)
  out.set(data, CHUNK_HEADER)
  return out
}

interface Unfinished {
  readonly total: number
  bytes: Uint8Array
  length: number
}

/** Puts messages together again. Holds at most {@link MAX_UNFINISHED} of them, and no more than was received of each. */
export class ChunkAssembler {
  readonly #maxMessage: number
  readonly #unfinished = new Map<number, Unfinished>()
  /** The sender of these goes on for a while; it was told once. */
  readonly #rejected = new Set<number>()

  /** @param maxMessage longest message, bytes */
  constructor(maxMessage: number) {
    this.#maxMessage = maxMessage
  }

  /**
   * The whole message if this was its last chunk.
   * @throws RejectedMessage once for each message that is not put together
   */
  push(chunk: Uint8Array): Uint8Array | undefined {
    if (chunk.length < CHUNK_HEADER)
      throw new RejectedMessage(new RpcError(RpcCode.INVALID_REQUEST, 'a chunk without header'))
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
    const number = view.getUint16(1, true)
    const total = view.getUint32(3, true)
    const offset = view.getUint32(7, true)
    const data = chunk.subarray(CHUNK_HEADER)
    if (data.length === 0 || offset === 0) this.#forget(number)
    if (data.length === 0 || this.#rejected.has(number)) return undefined
    if (offset === 0) this.#begin(number, total)
    const message = this.#unfinished.get(number)
    if (message?.total !== total || message.length !== offset || offset + data.length > total) {
      throw this.#reject(number, RpcCode.INVALID_REQUEST, 'a chunk does not continue its message')
    }
    append(message, data)
    if (message.length < total) return undefined
    this.#unfinished.delete(number)
    return message.bytes.subarray(0, total)
  }

  #begin(number: number, total: number): void {
    if (total > this.#maxMessage) {
      throw this.#reject(number, RpcCode.BUSY, `a message of ${total} bytes; at most ${this.#maxMessage} are taken`)
    }
    if (this.#unfinished.size >= MAX_UNFINISHED) {
      throw this.#reject(number, RpcCode.BUSY, `${MAX_UNFINISHED} messages are unfinished already`)
    }
    this.#unfinished.set(number, { total, bytes: new Uint8Array(0), length: 0 })
  }

  #reject(number: number, code: number, text: string): RejectedMessage {
    this.#forget(number)
    const [oldest] = this.#rejected
    if (this.#rejected.size >= MAX_UNFINISHED) this.#rejected.delete(oldest!)
    this.#rejected.add(number)
    return new RejectedMessage(new RpcError(code, text, { message: number }))
  }

  #forget(number: number): void {
    this.#unfinished.delete(number)
    this.#rejected.delete(number)
  }
}

/** Takes memory as it is filled, not as it is announced. */
function append(message: Unfinished, data: Uint8Array): void {
  const needed = message.length + data.length
  if (needed > message.bytes.length) {
    const grown = new Uint8Array(Math.min(message.total, Math.max(needed, 2 * message.bytes.length)))
    grown.set(message.bytes.subarray(0, message.length))
    message.bytes = grown
  }
  message.bytes.set(data, message.length)
  message.length = needed
}
