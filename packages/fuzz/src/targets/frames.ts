import {
  cobsDecode,
  cobsEncode,
  concatBytes,
  decodeFrame,
  encodeFrame,
  encodeSerial,
  type Frame,
  FrameDecoder,
  SerialDecoder,
  UsmpError,
} from '@usmp/core'
import { finishFrame, MAX_COBS_FRAME } from '@usmp/core/internal'
import { Choices, must, type Target } from '../target.js'

/** Wire version 1 too, as a server takes it that was asked to. */
const VERSIONS = [2, 1]
const HEADER = 12

const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** What came of some bytes: frames in hex, and codes of errors. */
type Outcome = string[]

function code(error: unknown): string {
  must(error instanceof UsmpError, `not a UsmpError: ${error}`)
  return error.code
}

function note({ version, type, seq, payload }: Frame): string {
  return toHex(encodeFrame({ version, type, seq, payload }))
}

function stream(chunks: readonly Uint8Array[]): Outcome {
  const decoder = new FrameDecoder(VERSIONS)
  const seen: Outcome = []
  for (const chunk of chunks) {
    try {
      for (const frame of decoder.push(chunk)) seen.push(note(frame))
    } catch (error) {
      if (seen.at(-1) !== code(error)) seen.push(code(error))
    }
    must(decoder.pending < MAX_COBS_FRAME, `${decoder.pending} bytes held`)
  }
  return seen
}

function line(chunks: readonly Uint8Array[]): Outcome {
  const decoder = new SerialDecoder()
  const seen: Outcome = []
  for (const chunk of chunks) {
    for (const packet of decoder.push(chunk)) {
      if (packet instanceof UsmpError) seen.push(packet.code)
      else seen.push(toHex(packet))
    }
  }
  return seen
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
  return chunks
}

/** The bytes as they are, or frames with a good CRC that have them as header and payload. */
function wire(input: Choices, packets: boolean): Uint8Array {
  const parts: Uint8Array[] = []
  while (input.left > 0) {
    const how = input.byte()
    const bytes = input.bytes(how >> 1)
    if ((how & 1) === 0) parts.push(bytes)
    else {
      const frame = new Uint8Array(Math.max(bytes.length, HEADER))
      frame.set(bytes)
      finishFrame(frame)
      parts.push(packets ? encodeSerial(frame) : frame)
    }
  }
  return concatBytes(...parts)
}

/** One frame, neither more nor less. */
function single(bytes: Uint8Array): void {
  try {
    const frame = decodeFrame(bytes, VERSIONS)
    must(note(frame) === toHex(bytes), 'a frame that encodes to other bytes than it was decoded from')
  } catch (error) {
    code(error)
  }
}

function cobs(bytes: Uint8Array): void {
  const encoded = cobsEncode(bytes)
  must(!encoded.includes(0), 'a zero in COBS')
  must(toHex(cobsDecode(encoded)) === toHex(bytes), 'COBS does not give back what it was given')
  try {
    must(cobsDecode(bytes).length <= bytes.length, 'COBS that grows')
  } catch (error) {
    must(code(error) === 'BAD_COBS', code(error))
  }
}

function frameSeed(type: number, length: number): Uint8Array {
  const frame = encodeFrame({ type, seq: 1, payload: new Uint8Array(length).fill(7) })
  return concatBytes(Uint8Array.of(0, 3), Uint8Array.of((frame.length << 1) | 1), frame)
}

export const frames: Target = {
  seeds: () => [frameSeed(1, 38), frameSeed(5, 28), frameSeed(6, 0)],
  run(bytes) {
    const input = new Choices(bytes)
    const packets = (input.byte() & 1) === 1
    const size = 1 + input.byte()
    const all = wire(input, packets)
    const read = packets ? line : stream
    const [whole, parts] = [read([all]).join(), read(cut(all, size)).join()]
    must(whole === parts, `whole ${whole}, cut ${parts}`)
    single(all)
    cobs(all)
  },
}
