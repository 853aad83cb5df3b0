import { concatBytes } from './bytes.js'
import { MAX_FRAME } from './constants.js'
import { asUsmpError, UsmpError } from './errors.js'

/** Bytes that one code byte of COBS can stand for. */
const MAX_RUN = 254
/** Largest frame after COBS encoding, bytes. */
export const MAX_COBS_FRAME = MAX_FRAME + Math.ceil(MAX_FRAME / MAX_RUN)

/** Consistent overhead byte stuffing (Cheshire and Baker, 1999): the same data without a zero byte. */
export function cobsEncode(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + Math.floor(data.length / MAX_RUN) + 1)
  let codeAt = 0
  let length = 1
  for (let i = 0; i < data.length; i++) {
    const byte = data[i]!
    if (byte !== 0) out[length++] = byte
    const runFull = length - codeAt === MAX_RUN + 1
    // A full run at the very end needs no code byte behind it.
    if (byte === 0 || (runFull && i < data.length - 1)) {
      out[codeAt] = length - codeAt
      codeAt = length++
    }
  }
  out[codeAt] = length - codeAt
  return out.subarray(0, length)
}

/**
 * The data of one COBS packet, delimiters already removed.
 * @throws UsmpError BAD_COBS for an empty packet, a zero byte, or a run that ends behind the packet
 */
export function cobsDecode(packet: Uint8Array): Uint8Array {
  if (packet.length === 0) throw new UsmpError('BAD_COBS', 'an empty packet')
  const out = new Uint8Array(packet.length)
  let length = 0
  for (let at = 0; at < packet.length; ) {
    const code = packet[at]!
    const end = at + code
    if (code === 0 || end > packet.length) throw new UsmpError('BAD_COBS')
    for (at++; at < end; at++) {
      const byte = packet[at]!
      if (byte === 0) throw new UsmpError('BAD_COBS')
      out[length++] = byte
    }
    if (code <= MAX_RUN && at < packet.length) out[length++] = 0
  }
  return out.subarray(0, length)
}

/**
 * Cuts the bytes of a serial line into packets at the zeros between them. Empty packets vanish; one that grows over
 * 494 bytes (a boot log without a zero) is reported once and skipped to its end (specification, section 6.5).
 */
export class SerialDecoder {
  readonly #packet = new Uint8Array(MAX_COBS_FRAME)
  #length = 0
  #overlong = false;

  /** The decoded packets that `chunk` completes; an error in place of one that is malformed. */
  *push(chunk: Uint8Array): Generator<Uint8Array | UsmpError, void, undefined> {
    for (const byte of chunk) {
      if (byte !== 0) {
        if (this.#length < MAX_COBS_FRAME) this.#packet[this.#length++] = byte
        else this.#overlong = true
      } else if (this.#length > 0) {
        yield this.#take()
      }
    }
  }

  #take(): Uint8Array | UsmpError {
    const overlong = this.#overlong
    const packet = this.#packet.subarray(0, this.#length)
    this.#length = 0
    this.#overlong = false
    if (overlong) return new UsmpError('BAD_COBS', `more than ${MAX_COBS_FRAME} bytes without a zero`)
    try {
      return cobsDecode(packet)
    } catch (error) {
      return asUsmpError(error, 'BAD_COBS')
    }
  }
}

/** A frame as it goes onto a serial line: a zero, the COBS packet, a zero. */
export function encodeSerial(frame: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0), cobsEncode(frame), Uint8Array.of(0))
}
