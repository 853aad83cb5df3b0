// The two binary messages of a transfer (docs/spec/13-signed-updates.md). Integers are little-endian.

const MARK = 0xfe
const REQUEST = 0x01
const CHUNK = 0x02

/** Bytes of the image in one chunk, so that it leaves in one frame; only the last chunk of an image is shorter. */
export const CHUNK_SIZE = 440
/** mark 1, kind 1, offset 4. */
export const CHUNK_HEADER = 6
/** mark 1, kind 1, offset 4, count 2. */
export const REQUEST_SIZE = 8
/** Most chunks that one request can ask for. */
export const MAX_COUNT = 0xffff

/** A message of a transfer. */
export type TransferMessage =
  /** Of the device: "send me `count` chunks from this offset". */
  | { readonly kind: 'request'; readonly offset: number; readonly count: number }
  /** Of the gateway. `data` is a part of the message. */
  | { readonly kind: 'chunk'; readonly offset: number; readonly data: Uint8Array }

/**
 * @param offset bytes, 0 to 4294967295
 * @param count chunks, 0 to 65535; 0 asks for none, and takes back what is owed
 */
export function formatRequest(offset: number, count: number): Uint8Array {
  const out = new Uint8Array(REQUEST_SIZE)
  const view = new DataView(out.buffer)
  out[0] = MARK
  out[1] = REQUEST
  view.setUint32(2, offset, true)
  view.setUint16(6, count, true)
  return out
}

/** @param data 1 to 440 bytes */
export function formatChunk(offset: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(CHUNK_HEADER + data.length)
  out[0] = MARK
  out[1] = CHUNK
  new DataView(out.buffer).setUint32(2, offset, true)
  out.set(data, CHUNK_HEADER)
  return out
}

/** What a message says; undefined if it is none of a transfer. */
export function parseTransferMessage(bytes: Uint8Array): TransferMessage | undefined {
  if (bytes.length <= CHUNK_HEADER || bytes[0] !== MARK) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const offset = view.getUint32(2, true)
  if (bytes[1] === REQUEST && bytes.length === REQUEST_SIZE) {
    return { kind: 'request', offset, count: view.getUint16(6, true) }
  }
  if (bytes[1] === CHUNK && bytes.length <= CHUNK_HEADER + CHUNK_SIZE) {
    return { kind: 'chunk', offset, data: bytes.subarray(CHUNK_HEADER) }
  }
  return undefined
}
