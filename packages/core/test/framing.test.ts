import { bytesOf, codeThrownBy as codeOf } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../src/bytes.ts'
import type { TransportKind } from '../src/connection.ts'
import { UsmpError } from '../src/errors.ts'
import { encodeFrame } from '../src/frame.ts'
import { type Framing, framingOf } from '../src/framing.ts'

const KINDS: readonly TransportKind[] = ['stream', 'message', 'serial', 'datagram']
const frames = [5, 6, 7].map((type) => encodeFrame({ type, seq: type, payload: bytesOf(type * 20, type) }))

/** The types of the frames, and the codes of the faults, that are there now. */
function take(framing: Framing): (number | string)[] {
  const found: (number | string)[] = []
  for (let i = 0; i < 10; i++) {
    try {
      const frame = framing.next()
      if (!frame) break
      found.push(frame.type)
    } catch (error) {
      found.push(error instanceof UsmpError ? error.code : String(error))
    }
  }
  return found
}

describe.each(KINDS)('%s', (kind) => {
  test('gives out what it has encoded, and then nothing', () => {
    const framing = framingOf(kind, [2])
    for (const frame of frames) {
      framing.feed(framing.encode(frame))
      expect(take(framing)).toEqual([frame[3]])
    }
    expect(framing.next()).toBeUndefined()
  })

  test('accepts the versions that it was told last', () => {
    const framing = framingOf(kind, [1, 2])
    framing.acceptVersions([1])
    framing.feed(framing.encode(frames[0]!))
    expect(codeOf(() => framing.next())).toBe('BAD_VERSION')
  })

  test('has nothing before it is fed', () => {
    expect(framingOf(kind, [2]).next()).toBeUndefined()
  })
})

describe('several frames at once', () => {
  test('stream: at any cut; an unfinished one is pending', () => {
    const framing = framingOf('stream', [2])
    const all = concatBytes(...frames)
    framing.feed(all.subarray(0, frames[0]!.length + 4))
    expect(take(framing)).toEqual([5])
    expect(framing.pending).toBe(4)
    framing.feed(all.subarray(frames[0]!.length + 4))
    expect(take(framing)).toEqual([6, 7])
    expect(framing.pending).toBe(0)
  })

  test('stream: a fault is for good', () => {
    const framing = framingOf('stream', [2])
    framing.feed(Uint8Array.of(1, 2, 3))
    expect([0, 1].map(() => codeOf(() => framing.next()))).toEqual(['BAD_MAGIC', 'BAD_MAGIC'])
  })

  test('serial: noise costs one packet', () => {
    const framing = framingOf('serial', [2])
    const noise = Uint8Array.of(9, 1, 2, 0)
    framing.feed(concatBytes(framing.encode(frames[0]!), noise, framing.encode(frames[1]!)))
    expect(take(framing)).toEqual([5, 'BAD_COBS', 6])
  })

  test.each(['message', 'datagram'] as const)('%s: bytes behind the frame are a fault', (kind) => {
    const framing = framingOf(kind, [2])
    framing.feed(concatBytes(frames[0]!, frames[1]!))
    expect(take(framing)).toEqual(['TRAILING_BYTES'])
  })
})
