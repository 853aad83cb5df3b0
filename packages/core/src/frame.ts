import { assertBytes, assertInteger, EMPTY, readUint16, readUint32, writeUint16, writeUint32 } from './bytes.js'
import {
  AUTHENTICATED_HEADER_SIZE,
  HEADER_SIZE,
  MAGIC_BYTE_0,
  MAGIC_BYTE_1,
  MAX_PAYLOAD,
  WIRE_VERSION,
} from './constants.js'
import { CRC16_INITIAL, crc16Range } from './crc16.js'
import { UsmpError } from './errors.js'

/** One frame (specification, section 1). */
export interface Frame {
  /** Wire version, the byte at offset 2. */
  readonly version: number
  /** Packet type, 0x01–0xFF. */
  readonly type: number
  /** Sequence number, 0–0xFFFFFFFF. */
  readonly seq: number
  /** 0–480 bytes. Decoders return a view of their input. */
  readonly payload: Uint8Array
}

/** Offsets of the header fields, bytes. */
const VERSION_AT = 2
const TYPE_AT = 3
const SEQ_AT = 4
const LENGTH_AT = 8
const CRC_AT = 10

/** The wire versions that a decoder accepts unless it is told otherwise. */
const CURRENT_VERSION: readonly number[] = [WIRE_VERSION]

/**
 * Writes the 10 header bytes that CRC and AEAD cover. The one place that knows the order of the fields.
 * `length` is that of the payload as it travels, so the sealed length for a sealed frame.
 */
export function writeHeader(out: Uint8Array, version: number, type: number, seq: number, length: number): void {
  out[0] = MAGIC_BYTE_0
  out[1] = MAGIC_BYTE_1
  out[VERSION_AT] = version
  out[TYPE_AT] = type
  writeUint32(out, SEQ_AT, seq)
  writeUint16(out, LENGTH_AT, length)
}

/** Computes the CRC of a frame whose header and payload are in place, and writes it. */
export function finishFrame(frame: Uint8Array): void {
  writeUint16(frame, CRC_AT, frameCrc(frame, 0, frame.length))
}

/**
 * Encodes a frame.
 * @param frame `seq` is 0, `payload` empty and `version` 2 where left out
 * @returns 12 to 492 bytes
 * @throws UsmpError INVALID_ARGUMENT for a type outside 1–255, a seq outside u32, a payload over 480 bytes
 */
export function encodeFrame(frame: { type: number; seq?: number; payload?: Uint8Array; version?: number }): Uint8Array {
  const { type, seq = 0, payload = EMPTY, version = WIRE_VERSION } = frame
  assertInteger('type', type, 1, 0xff)
  assertInteger('seq', seq, 0, 0xffffffff)
  assertInteger('version', version, 0, 0xff)
  assertBytes('payload', payload)
  if (payload.length > MAX_PAYLOAD) {
    throw new UsmpError('INVALID_ARGUMENT', `payload must be at most ${MAX_PAYLOAD} bytes, not ${payload.length}`)
  }
  const out = new Uint8Array(HEADER_SIZE + payload.length)
  writeHeader(out, version, type, seq, payload.length)
  out.set(payload, HEADER_SIZE)
  finishFrame(out)
  return out
}

/**
 * Decodes exactly one frame.
 * @param versions the wire versions to accept
 * @returns the frame; its payload is a view of `bytes`
 * @throws UsmpError BAD_MAGIC, BAD_VERSION, BAD_TYPE, BAD_LENGTH, INCOMPLETE, TRAILING_BYTES, BAD_CRC: the first
 * fault in the order of the bytes
 */
export function decodeFrame(bytes: Uint8Array, versions: readonly number[] = CURRENT_VERSION): Frame {
  assertBytes('bytes', bytes)
  const size = frameSize(bytes, 0, bytes.length, versions)
  if (size === undefined || size > bytes.length) {
    throw new UsmpError('INCOMPLETE', `${bytes.length} bytes of ${size ?? `at least ${HEADER_SIZE}`}`)
  }
  if (size < bytes.length) throw new UsmpError('TRAILING_BYTES', `${bytes.length - size} behind a frame of ${size}`)
  return readFrame(bytes, 0, size)
}

/**
 * Judges as much of a header as there is in `bytes[start..end)`.
 * @returns the size of the whole frame once the length field is there, else undefined
 * @throws UsmpError BAD_MAGIC, BAD_VERSION, BAD_TYPE, BAD_LENGTH
 */
export function frameSize(
  bytes: Uint8Array,
  start: number,
  end: number,
  versions: readonly number[] = CURRENT_VERSION,
): number | undefined {
  const available = end - start
  if (available <= 1) return undefined
  if (bytes[start] !== MAGIC_BYTE_0 || bytes[start + 1] !== MAGIC_BYTE_1) throw new UsmpError('BAD_MAGIC')
  if (available > VERSION_AT && !versions.includes(bytes[start + VERSION_AT]!)) {
    throw new UsmpError('BAD_VERSION', `version ${bytes[start + VERSION_AT]}, expected ${versions.join(' or ')}`)
  }
  if (available > TYPE_AT && bytes[start + TYPE_AT] === 0) throw new UsmpError('BAD_TYPE')
  if (available < CRC_AT) return undefined
  const length = readUint16(bytes, start + LENGTH_AT)
  if (length > MAX_PAYLOAD) throw new UsmpError('BAD_LENGTH', `${length}`)
  return HEADER_SIZE + length
}

/**
 * Reads the complete frame of `size` bytes at `start`, whose header {@link frameSize} has judged.
 * @throws UsmpError BAD_CRC
 */
export function readFrame(bytes: Uint8Array, start: number, size: number): Frame {
  if (readUint16(bytes, start + CRC_AT) !== frameCrc(bytes, start, start + size)) throw new UsmpError('BAD_CRC')
  return {
    version: bytes[start + VERSION_AT]!,
    type: bytes[start + TYPE_AT]!,
    seq: readUint32(bytes, start + SEQ_AT),
    payload: bytes.subarray(start + HEADER_SIZE, start + size),
  }
}

function frameCrc(bytes: Uint8Array, start: number, end: number): number {
  const header = crc16Range(CRC16_INITIAL, bytes, start, start + AUTHENTICATED_HEADER_SIZE)
  return crc16Range(header, bytes, start + HEADER_SIZE, end)
}
