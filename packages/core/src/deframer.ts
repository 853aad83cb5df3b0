import { assertBytes } from './bytes.js'
import { MAX_FRAME, WIRE_VERSION } from './constants.js'
import { asUsmpError, type UsmpError } from './errors.js'
import { type Frame, frameSize, readFrame } from './frame.js'

/**
 * Cuts a byte stream into frames, at whatever places the stream arrives cut.
 *
 * Holds at most one unfinished frame (491 bytes). A stream has no way back after a fault: the decoder then repeats its
 * first error for ever.
 */
export class FrameDecoder {
  /** The unfinished frame. */
  readonly #rest = new Uint8Array(MAX_FRAME)
  #restLength = 0
  #failure: UsmpError | undefined
  #versions: readonly number[]

  /** @param versions the wire versions to accept */
  constructor(versions: readonly number[] = [WIRE_VERSION]) {
    this.#versions = versions
  }

  /** Bytes held of a frame that is not complete yet. */
  get pending(): number {
    return this.#restLength
  }

  /** Accepts only these wire versions from the next frame on. */
  acceptVersions(versions: readonly number[]): void {
    this.#versions = versions
  }

  /**
   * Takes the next bytes of the stream and yields every frame that they complete. Iterate to the end: what is not
   * taken is lost. Payloads are views of `chunk` or of a copy, valid as long as `chunk` is not overwritten.
   * @throws UsmpError while iterating, after the frames before the fault: BAD_MAGIC, BAD_VERSION, BAD_TYPE,
   * BAD_LENGTH, BAD_CRC
   */
  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    assertBytes('chunk', chunk)
    if (this.#failure) throw this.#failure
    try {
      yield* this.#frames(chunk)
    } catch (error) {
      this.#restLength = 0
      throw (this.#failure = asUsmpError(error, 'BAD_MAGIC'))
    }
  }

  *#frames(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let offset = 0
    while (this.#restLength > 0 && offset < chunk.length) {
      const size = frameSize(this.#rest, 0, this.#restLength, this.#versions)
      // Byte by byte while the header is unfinished, so that a fault is found at the byte that shows it.
      const take = size === undefined ? 1 : Math.min(size - this.#restLength, chunk.length - offset)
      this.#rest.set(chunk.subarray(offset, offset + take), this.#restLength)
      this.#restLength += take
      offset += take
      if (frameSize(this.#rest, 0, this.#restLength, this.#versions) === this.#restLength) {
        const frame = readFrame(this.#rest.slice(0, this.#restLength), 0, this.#restLength)
        this.#restLength = 0
        yield frame
      }
    }
    while (offset < chunk.length) {
      const size = frameSize(chunk, offset, chunk.length, this.#versions)
      if (size === undefined || size > chunk.length - offset) {
        this.#rest.set(chunk.subarray(offset))
        this.#restLength = chunk.length - offset
        return
      }
      const frame = readFrame(chunk, offset, size)
      offset += size
      yield frame
    }
  }
}
