import { existsSync } from 'node:fs'
import { codeThrownBy as codeOf } from '@usmp/testing'
import { providerOps } from '@usmp/testing/provider-suite'
import { type Case, caseName, countOf, countsInReadme, groupsOf, opsOf, topics } from '@usmp/testing/vectors'
import { describe, expect, test } from 'vitest'
import { concatBytes, fromHex, toHex } from '../src/bytes.ts'
import { cobsDecode, cobsEncode, encodeSerial, SerialDecoder } from '../src/cobs.ts'
import { crc16 } from '../src/crc16.ts'
import { FrameDecoder } from '../src/deframer.ts'
import { UsmpError } from '../src/errors.ts'
import { pskFingerprint } from '../src/fingerprint.ts'
import { decodeFrame, encodeFrame, type Frame } from '../src/frame.ts'
import { deriveDevicePsk } from '../src/psk.ts'

/** Operations that run in this file; those that need cryptography run in provider-suite.ts. */
const plainOps: Record<string, readonly string[]> = {
  crc16: ['crc16'],
  frame: ['codec', 'decode', 'encode'],
  stream: ['deframe'],
  cobs: ['codec', 'decode', 'packet', 'line'],
  'device-psk': ['derive'],
  fingerprint: ['fingerprint'],
}

/** Topics of other packages, each with the test that runs it. */
const elsewhere: Record<string, string> = {
  discovery: 'packages/discovery/test/vectors.test.ts',
  'ota-manifest': 'packages/ota/test/vectors.test.ts',
}

describe('the runner', () => {
  test.each(topics.filter((topic) => !(topic in elsewhere)))('runs every operation of vectors/%s.json', (topic) => {
    const run = [...(plainOps[topic] ?? []), ...(providerOps[topic] ?? [])]
    expect(opsOf(topic).filter((op) => !run.includes(op))).toEqual([])
  })

  test('counts as many tests as the table of vectors/README.md', () => {
    expect(Object.fromEntries(topics.map((topic) => [topic, countOf(topic)]))).toEqual(countsInReadme())
  })

  test('knows no topic that is not there', () => {
    const known = [...Object.keys(plainOps), ...Object.keys(providerOps), ...Object.keys(elsewhere)]
    expect(known.filter((topic) => !topics.includes(topic))).toEqual([])
    for (const file of Object.values(elsewhere))
      expect(existsSync(new URL(`../../../${file}`, import.meta.url))).toBe(true)
  })
})

describe('crc16', () => {
  interface Crc extends Case {
    input: string
    crc: number
  }
  for (const { tests } of groupsOf<object, Crc>('crc16', 'crc16')) {
    for (const vector of tests) {
      test(caseName(vector), () => expect(crc16(fromHex(vector.input))).toBe(vector.crc))
    }
  }
})

interface FrameFields {
  type: number
  seq: number
  payload: string
}
const fieldsOf = ({ type, seq, payload }: Frame): FrameFields => ({ type, seq, payload: toHex(payload) })

describe('frame', () => {
  interface FrameCase extends Case, FrameFields {
    frame: string
  }
  for (const { params, tests } of groupsOf<{ version: number }, FrameCase>('frame', 'codec', 'decode', 'encode')) {
    const { version } = params
    describe(`${params.op}, version ${version}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          if (params.op !== 'decode') {
            const encode = () => encodeFrame({ ...vector, version, payload: fromHex(vector.payload) })
            if (vector.result === 'invalid') return expect(codeOf(encode)).toBe(vector.error)
            expect(toHex(encode())).toBe(vector.frame)
          }
          const decode = () => decodeFrame(fromHex(vector.frame), [version])
          if (vector.result === 'invalid') return expect(codeOf(decode)).toBe(vector.error)
          const { type, seq, payload } = vector
          expect(fieldsOf(decode())).toEqual({ type, seq, payload })
          expect(decode().version).toBe(version)
        })
      }
    })
  }
})

/** The frames that a fresh deframer makes of `chunks`, and the error it ends with. */
function deframe(version: number, chunks: readonly Uint8Array[]): { frames: FrameFields[]; error: string | undefined } {
  const decoder = new FrameDecoder([version])
  const frames: FrameFields[] = []
  let error: string | undefined
  for (const chunk of chunks) {
    try {
      for (const frame of decoder.push(chunk)) frames.push(fieldsOf(frame))
    } catch (thrown) {
      if (!(thrown instanceof UsmpError)) throw thrown
      error = thrown.code
    }
  }
  // A deframer that failed stays failed, and repeats its error.
  if (error) expect(codeOf(() => [...decoder.push(Uint8Array.of(0xcd, 0xab))])).toBe(error)
  return { frames, error }
}

describe('stream', () => {
  interface Stream extends Case {
    chunks: string[]
    frames: FrameFields[]
  }
  for (const { params, tests } of groupsOf<{ version: number }, Stream>('stream', 'deframe')) {
    for (const vector of tests) {
      const chunks = vector.chunks.map(fromHex)
      const whole = concatBytes(...chunks)
      const expected = { frames: vector.frames, error: vector.error }
      test(`${caseName(vector)}: as given`, () => expect(deframe(params.version, chunks)).toEqual(expected))
      test(`${caseName(vector)}: whole`, () => expect(deframe(params.version, [whole])).toEqual(expected))
      test(`${caseName(vector)}: byte by byte`, () => {
        expect(
          deframe(
            params.version,
            [...whole].map((byte) => Uint8Array.of(byte)),
          ),
        ).toEqual(expected)
      })
      test(`${caseName(vector)}: in two pieces, every cut`, () => {
        for (let cut = 0; cut <= whole.length; cut++) {
          const pieces = [whole.subarray(0, cut), whole.subarray(cut)]
          expect(deframe(params.version, pieces), `cut at ${cut}`).toEqual(expected)
        }
      })
    }
  }
})

/** What the receiver of a serial line makes of it: frames, and the codes of dropped packets. */
function readLine(version: number, chunks: readonly Uint8Array[]): { frames: string[]; dropped: string[] } {
  const decoder = new SerialDecoder()
  const frames: string[] = []
  const dropped: string[] = []
  for (const chunk of chunks) {
    for (const packet of decoder.push(chunk)) {
      const code = packet instanceof UsmpError ? packet.code : codeOf(() => decodeFrame(packet, [version]))
      if (code === 'no error') frames.push(toHex(packet as Uint8Array))
      else dropped.push(code)
    }
  }
  return { frames, dropped }
}

describe('cobs', () => {
  interface Cobs extends Case {
    data: string
    encoded: string
    packet: string
    frame: string
    line: string
    frames: string[]
    dropped: number
  }
  for (const { params, tests } of groupsOf<{ version: number }, Cobs>('cobs', 'codec', 'decode', 'packet', 'line')) {
    describe(params.op, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          switch (params.op) {
            case 'packet': {
              const line = concatBytes(Uint8Array.of(0), fromHex(vector.packet), Uint8Array.of(0))
              const good = { frames: [vector.frame], dropped: [] }
              const bad = { frames: [], dropped: [vector.error] }
              expect(readLine(params.version, [line])).toEqual(vector.result === 'valid' ? good : bad)
              if (vector.result === 'valid') expect(toHex(encodeSerial(fromHex(vector.frame)))).toBe(toHex(line))
              return
            }
            case 'line': {
              const line = fromHex(vector.line)
              const once = readLine(params.version, [line])
              expect(once.frames).toEqual(vector.frames)
              expect(once.dropped).toHaveLength(vector.dropped)
              const bytes = [...line].map((byte) => Uint8Array.of(byte))
              expect(readLine(params.version, bytes)).toEqual(once)
              for (let cut = 0; cut <= line.length; cut++) {
                expect(readLine(params.version, [line.subarray(0, cut), line.subarray(cut)])).toEqual(once)
              }
              return
            }
            default: {
              const decode = () => cobsDecode(fromHex(vector.encoded))
              if (vector.result === 'invalid') return expect(codeOf(decode)).toBe(vector.error)
              expect(toHex(decode())).toBe(vector.data)
              if (params.op === 'codec') expect(toHex(cobsEncode(fromHex(vector.data)))).toBe(vector.encoded)
            }
          }
        })
      }
    })
  }
})

describe('device-psk', () => {
  interface DevicePsk extends Case {
    master: string
    device_id: string
    psk: string
  }
  for (const { tests } of groupsOf<object, DevicePsk>('device-psk', 'derive')) {
    for (const vector of tests) {
      test(caseName(vector), () => {
        const derive = () => deriveDevicePsk(fromHex(vector.master), fromHex(vector.device_id))
        if (vector.result === 'invalid') return expect(codeOf(derive)).toBe(vector.error)
        expect(toHex(derive())).toBe(vector.psk)
      })
    }
  }
})

describe('fingerprint', () => {
  interface Fingerprint extends Case {
    psk: string
    device_id: string
    fingerprint: string
  }
  for (const { tests } of groupsOf<object, Fingerprint>('fingerprint', 'fingerprint')) {
    for (const vector of tests) {
      test(caseName(vector), () => {
        const show = () => pskFingerprint(fromHex(vector.psk), fromHex(vector.device_id))
        if (vector.result === 'invalid') return expect(codeOf(show)).toBe(vector.error)
        expect(show()).toBe(vector.fingerprint)
      })
    }
  }
})
