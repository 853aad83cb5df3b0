import { assertBytes, copyBytes, EMPTY } from './bytes.js'
import { MAX_FRAME, WIRE_VERSION } from './constants.js'
import { asUsmpError, type UsmpError } from './errors.js'
import { type Frame, frameSize, readFrame } from './frame.js'

/**
 * Cuts a byte stream into frames, at whatever places the stream arrives cut.
 *
 * Holds at most one unfinished frame (491 bytes). A stream has no way back after a fault: the decoder then repeats its
 * first error at every call.
 */
export class FrameDecoder {
  /** The unfinished frame; made when the stream is first cut inside of one, which on most connections is never. */
  #rest: Uint8Array | undefined
  #restLength = 0
  /** What is being taken, and how far it has been. */
  #chunk: Uint8Array = EMPTY
  #offset = 0
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
    this.feed(chunk)
    for (let frame = this.next(); frame; frame = this.next()) yield frame
  }

  /** As {@link push}, for callers that take the frames with {@link next}: all of them, before they feed again. */
  feed(chunk: Uint8Array): void {
    assertBytes('chunk', chunk)
    this.#chunk = chunk
    this.#offset = 0
  }

  /**
   * The next frame of what was fed; undefined when there is none any more.
   * @throws UsmpError as {@link push}
   */
  next(): Frame | undefined {
    if (this.#failure) throw this.#failure
    try {
      return (this.#restLength > 0 && this.#complete()) || this.#cut()
    } catch (error) {
      this.#restLength = 0
      throw (this.#failure = asUsmpError(error, 'BAD_MAGIC'))
    }
  }

  /** The frame whose beginning is held, if the chunk has the rest of it. */
  #complete(): Frame | undefined {
    const rest = this.#rest!
    while (this.#offset < this.#chunk.length) {
      const size = frameSize(rest, 0, this.#restLength, this.#versions)
      // Byte by byte while the header is unfinished, so that a fault is found at the byte that shows it.
      const take = size === undefined ? 1 : Math.min(size - this.#restLength, this.#chunk.length - this.#offset)
      rest.set(this.#chunk.subarray(this.#offset, this.#offset + take), this.#restLength)
      this.#restLength += take
      this.#offset += take
      if (frameSize(rest, 0, this.#restLength, this.#versions) !== this.#restLength) continue
      const frame = readFrame(copyBytes(rest, 0, this.#restLength), 0, this.#restLength)
      this.#restLength = 0
      return frame
    }
    return undefined
  }

  /** The next whole frame of the chunk; keeps the beginning of one that is not whole. */
  #cut(): Frame | undefined {
    const [chunk, offset] = [this.#chunk, this.#offset]
    const left = chunk.length - offset
    const size = frameSize(chunk, offset, chunk.length, this.#versions)
    if (size !== undefined && size <= left) {
      this.#offset += size
      return readFrame(chunk, offset, size)
    }
    if (left > 0) {
      this.#rest ??= new Uint8Array(MAX_FRAME)
      this.#rest.set(chunk.subarray(offset))
      this.#restLength = left
    }
    this.feed(EMPTY)
    return undefined
  }
}
