import { assertBytes } from './bytes.js'
import { encodeSerial, SerialDecoder } from './cobs.js'
import type { TransportKind } from './connection-options.js'
import { FrameDecoder } from './deframer.js'
import { UsmpError } from './errors.js'
import { decodeFrame, type Frame } from './frame.js'

/**
 * How frames stand in the bytes of one kind of transport. A `Connection` feeds it what has arrived and takes the frames with
 * `next` until there are none; it encodes each frame that leaves. It owns the unfinished frame, and is bounded by one.
 */
export interface Framing {
  /** Bytes held of a frame that is not complete yet. */
  readonly pending: number
  /**
   * Takes the next bytes of a stream or line, or one whole message. Frames of what was fed before are lost.
   * @throws UsmpError INVALID_ARGUMENT
   */
  feed(bytes: Uint8Array): void
  /**
   * The next frame of what was fed; undefined when there are no more.
   * @throws UsmpError the fault of a frame. A stream throws it at every later call too; the others go on behind it.
   */
  next(): Frame | undefined
  /** Accepts only these wire versions from the next frame on. */
  acceptVersions(versions: readonly number[]): void
  /** A frame as it travels. */
  encode(frame: Uint8Array): Uint8Array
}

/** @param versions the wire versions to accept at first */
export function framingOf(kind: TransportKind, versions: readonly number[]): Framing {
  if (kind === 'stream') return new StreamFraming(versions)
  return kind === 'serial' ? new SerialFraming(versions) : new MessageFraming(versions)
}

/** Frames back to back. */
class StreamFraming extends FrameDecoder implements Framing {
  encode(frame: Uint8Array): Uint8Array {
    return frame
  }
}

/** One frame in each message or datagram. */
class MessageFraming implements Framing {
  readonly pending = 0
  #versions: readonly number[]
  #message: Uint8Array | undefined

  constructor(versions: readonly number[]) {
    this.#versions = versions
  }

  feed(message: Uint8Array): void {
    assertBytes('bytes', message)
    this.#message = message
  }

  next(): Frame | undefined {
    const message = this.#message
    this.#message = undefined
    return message && decodeFrame(message, this.#versions)
  }

  acceptVersions(versions: readonly number[]): void {
    this.#versions = versions
  }

  encode(frame: Uint8Array): Uint8Array {
    return frame
  }
}

/** One frame in each COBS packet: each packet is a message. */
class SerialFraming extends MessageFraming {
  readonly #decoder = new SerialDecoder()
  #packets: Iterator<Uint8Array | UsmpError> | undefined

  override feed(bytes: Uint8Array): void {
    this.#packets = this.#decoder.push(bytes)
  }

  override next(): Frame | undefined {
    const packet: Uint8Array | UsmpError | undefined = this.#packets?.next().value
    if (packet instanceof UsmpError) throw packet
    if (packet) super.feed(packet)
    return super.next()
  }

  override encode(frame: Uint8Array): Uint8Array {
    return encodeSerial(frame)
  }
}
