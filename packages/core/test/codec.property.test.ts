import { fc, test } from '@fast-check/vitest'
import { codeThrownBy as codeOf, flipBit } from '@usmp/testing'
import { describe, expect } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import { cobsDecode, cobsEncode, encodeSerial, MAX_COBS_FRAME, SerialDecoder } from '../src/cobs.ts'
import { FrameDecoder } from '../src/deframer.ts'
import { UsmpError } from '../src/errors.ts'
import { messageLimits, Reassembler, splitMessage } from '../src/fragment.ts'
import { decodeFrame, encodeFrame, type Frame } from '../src/frame.ts'
import { ReplayWindow } from '../src/replay.ts'

import { wireVersion2 } from '../src/wire-version-2.ts'

const LIMITS = messageLimits(wireVersion2.recordFormat.maxPlaintext)

const payload = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 470, maxLength: 480 }))
const anyFrame = fc.record({
  type: fc.integer({ min: 1, max: 0xff }),
  seq: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff)),
  payload,
})

describe('frame codec', () => {
  test.prop([anyFrame])('decodes what it has encoded', (frame) => {
    expect(decodeFrame(encodeFrame(frame))).toEqual({ version: 2, ...frame })
  })

  test.prop([anyFrame, fc.nat(), fc.nat({ max: 7 })])('finds every single turned bit', (frame, at, bit) => {
    const bytes = encodeFrame(frame)
    expect(codeOf(() => decodeFrame(flipBit(bytes, at % bytes.length, bit)))).not.toBe('no error')
  })

  test.prop([fc.uint8Array({ maxLength: 600 })])('throws nothing but UsmpError for garbage', (bytes) => {
    expect(codeOf(() => decodeFrame(bytes))).not.toBe('no error')
  })
})

/** A stream of good frames, damaged frames and garbage. */
const piece = fc.oneof(
  { weight: 6, arbitrary: anyFrame.map((frame) => encodeFrame(frame)) },
  {
    weight: 1,
    arbitrary: fc.tuple(anyFrame, fc.nat()).map(([frame, at]) => {
      const bytes = encodeFrame(frame)
      return flipBit(bytes, at % bytes.length, at % 8)
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
)
const stream = fc.array(piece, { maxLength: 6 }).map((pieces) => concatBytes(...pieces))
const cuts = fc.array(fc.nat({ max: 600 }), { maxLength: 40 })

function cutUp(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let offset = 0
  for (const length of lengths) chunks.push(bytes.subarray(offset, (offset += length)))
  return [...chunks, bytes.subarray(offset)]
}

function deframe(chunks: readonly Uint8Array[]): { frames: Frame[]; error: string | undefined; pending: number } {
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  let error: string | undefined
  for (const chunk of chunks) {
    try {
      // Frames are views; a copy, as the next chunk may overwrite them.
      for (const frame of decoder.push(chunk)) frames.push({ ...frame, payload: frame.payload.slice() })
    } catch (thrown) {
      if (!(thrown instanceof UsmpError)) throw thrown
      if (error !== undefined) expect(thrown.code).toBe(error)
      error = thrown.code
    }
    expect(decoder.pending).toBeLessThanOrEqual(491)
  }
  return { frames, error, pending: decoder.pending }
}

describe('deframer', () => {
  test.prop([fc.array(anyFrame, { maxLength: 8 }), cuts])(
    'returns the frames of a stream, wherever it is cut',
    (frames, at) => {
      const bytes = concatBytes(...frames.map((frame) => encodeFrame(frame)))
      const seen = deframe(cutUp(bytes, at))
      expect(seen).toEqual({ frames: frames.map((frame) => ({ version: 2, ...frame })), error: undefined, pending: 0 })
    },
  )

  test.prop([stream, cuts])('says the same about any stream, wherever it is cut', (bytes, at) => {
    const whole = deframe([bytes])
    const cut = deframe(cutUp(bytes, at))
    expect(cut.frames).toEqual(whole.frames)
    expect(cut.error).toBe(whole.error)
    if (!whole.error) expect(cut.pending).toBe(whole.pending)
  })

  test.prop([fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 6 })])(
    'throws nothing but UsmpError for garbage',
    (chunks) => {
      expect(deframe(chunks).frames).toEqual([])
    },
  )

  test.prop([fc.array(anyFrame, { minLength: 1, maxLength: 4 }), cuts])('holds no view of a chunk', (frames, at) => {
    const decoder = new FrameDecoder()
    const seen: string[] = []
    for (const chunk of cutUp(concatBytes(...frames.map((frame) => encodeFrame(frame))), at)) {
      const own = chunk.slice()
      for (const frame of decoder.push(own)) seen.push(toHex(frame.payload))
      own.fill(0xff)
    }
    expect(seen).toEqual(frames.map((frame) => toHex(frame.payload)))
  })
})

const zeroRich = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc.array(fc.constantFrom(0, 1, 0xff), { maxLength: 600 }).map((bytes) => Uint8Array.from(bytes)),
  fc.integer({ min: 250, max: 520 }).map((length) => new Uint8Array(length).fill(7)),
)

describe('COBS', () => {
  test.prop([zeroRich])('decodes what it has encoded, without a zero on the way', (data) => {
    const encoded = cobsEncode(data)
    expect(encoded).not.toContain(0)
    expect(encoded.length).toBeLessThanOrEqual(data.length + 1 + Math.floor(data.length / 254))
    expect(cobsDecode(encoded)).toEqual(data)
  })

  test.prop([fc.uint8Array({ maxLength: 600 })])('throws nothing but BAD_COBS for garbage', (bytes) => {
    expect(['no error', 'BAD_COBS']).toContain(codeOf(() => cobsDecode(bytes)))
  })

  test.prop([fc.array(fc.tuple(fc.uint8Array({ maxLength: 900 }), anyFrame), { maxLength: 5 }), cuts])(
    'finds every frame behind whatever noise, and the same at any cut',
    (parts, at) => {
      const frames = parts.map(([, frame]) => encodeFrame(frame))
      const line = concatBytes(...parts.flatMap(([noise], i) => [noise, encodeSerial(frames[i]!)]))
      const read = (chunks: readonly Uint8Array[]) => {
        const decoder = new SerialDecoder()
        return chunks.flatMap((chunk) => [...decoder.push(chunk)])
      }
      const whole = read([line])
      const good = whole.flatMap((packet) => (packet instanceof UsmpError ? [] : [toHex(packet)]))
      let from = 0
      for (const frame of frames) {
        const found = good.indexOf(toHex(frame), from)
        expect(found, 'a frame was lost').toBeGreaterThanOrEqual(from)
        from = found + 1
      }
      for (const packet of whole) {
        if (packet instanceof UsmpError) expect(packet.code).toBe('BAD_COBS')
        else expect(packet.length).toBeLessThanOrEqual(MAX_COBS_FRAME)
      }
      const codes = (packets: readonly (Uint8Array | UsmpError)[]) =>
        packets.map((packet) => (packet instanceof UsmpError ? packet.code : toHex(packet)))
      expect(codes(read(cutUp(line, at)))).toEqual(codes(whole))
    },
  )
})

describe('fragmentation', () => {
  test.prop([fc.integer({ min: 0, max: 1808 }), fc.integer({ min: 0, max: 0xfffffff0 })])(
    'puts every message together again, in at most 4 pieces of at most 452 bytes',
    (length, firstSeq) => {
      const message = Uint8Array.from({ length }, (_, i) => i * 31)
      const pieces = splitMessage(message, LIMITS)
      expect(pieces.length).toBeLessThanOrEqual(4)
      const reassembler = new Reassembler(LIMITS.maxFragments)
      const results = pieces.map(({ type, plaintext }, i) => {
        expect(plaintext.length).toBeLessThanOrEqual(452)
        return reassembler.push(type, firstSeq + i, plaintext)
      })
      expect(results.slice(0, -1).every((result) => result === undefined)).toBe(true)
      expect(results.at(-1)).toEqual(message)
      expect(reassembler.busy).toBe(false)
    },
  )

  test.prop([fc.integer({ min: 1809, max: 5000 })])('refuses what is larger', (length) => {
    expect(codeOf(() => splitMessage(new Uint8Array(length), LIMITS))).toBe('MESSAGE_TOO_LARGE')
  })
})

/** The window by its definition: a set of all numbers ever accepted. */
class NaiveWindow {
  readonly #seen = new Set<number>()
  #highest = -1

  check(seq: number): string {
    if (seq <= this.#highest - 64) return 'stale'
    return this.#seen.has(seq) ? 'duplicate' : 'new'
  }

  commit(seq: number): void {
    this.#seen.add(seq)
    this.#highest = Math.max(this.#highest, seq)
  }
}

describe('replay window', () => {
  const moves = fc.array(
    fc.record({
      delta: fc.oneof(
        fc.integer({ min: -70, max: 70 }),
        fc.constantFrom(-64, -63, -33, -32, -31, -1, 0, 1, 31, 32, 33, 63, 64, 65, 5000),
      ),
      authentic: fc.boolean(),
    }),
    { maxLength: 120 },
  )
  const start = fc.constantFrom(0, 10, 100, 0x7fffffc0, 0x80000000, 0xffffff00)

  test.prop([start, moves])('agrees with a set of all numbers, forged ones moving nothing', (first, steps) => {
    const window = new ReplayWindow()
    const naive = new NaiveWindow()
    let seq: number = first
    for (const { delta, authentic } of steps) {
      seq = Math.min(Math.max(seq + delta, 0), 0xfffffffe)
      const verdict = window.check(seq)
      expect(verdict).toBe(naive.check(seq))
      if (!authentic || verdict !== 'new') continue
      window.commit(seq)
      naive.commit(seq)
    }
  })
})
