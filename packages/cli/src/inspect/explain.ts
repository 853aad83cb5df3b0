import {
  crc16,
  decodeFrame,
  type ErrorCode,
  MAX_PAYLOAD,
  PacketType,
  packetTypeName,
  toHex,
  type UsmpError,
} from '@usmp/core'
import { HEADER_SIZE, NONCE_SIZE, TAG_SIZE } from '@usmp/core/constants'
import { payloadLayoutOf } from '@usmp/core/payload-layout'
import type { SessionKeys } from '../key-files.js'
import { describeType, type Part, plainForms } from './layout.js'
import { openSealed } from './open.js'

const MAGIC = Buffer.of(0xcd, 0xab)
const LENGTH_END = 10
/** Both wire versions have the same frame. */
const VERSIONS = [2, 1]

/** Some bytes with a name. */
export interface Field {
  /** From the start of the input. */
  readonly offset: number
  readonly name: string
  readonly bytes: Uint8Array
  readonly meaning: string
}

/** What is wrong, and where. */
export interface Fault {
  readonly offset: number
  readonly code: ErrorCode
  readonly message: string
}

/** A frame, or what is left of one, or bytes that belong to none. */
export interface Piece {
  readonly offset: number
  readonly size: number
  readonly type: number | undefined
  readonly title: string
  readonly fields: readonly Field[]
  readonly faults: readonly Fault[]
  /** With the keys of the session: what was sealed, and the number of the key from 1. */
  readonly opened?: { readonly plaintext: Uint8Array; readonly key: number }
}

/** Explains frames that stand back to back; after bytes that are none it goes on at the next magic. */
export function* explain(input: Uint8Array, keys?: SessionKeys): Generator<Piece, void, undefined> {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.length)
  for (let offset = 0; offset < bytes.length; ) {
    const piece = startsFrame(bytes, offset) ? explainFrame(bytes, offset, keys) : explainSurplus(bytes, offset)
    yield piece
    offset += piece.size
  }
}

function startsFrame(bytes: Buffer, offset: number): boolean {
  const start = bytes.subarray(offset, offset + MAGIC.length)
  return start.equals(MAGIC.subarray(0, start.length))
}

/** Where the next frame may begin behind `offset`, or the end. */
function nextFrame(bytes: Buffer, offset: number): number {
  const found = bytes.indexOf(MAGIC, offset + 1)
  return found < 0 ? bytes.length : found
}

function explainSurplus(bytes: Buffer, offset: number): Piece {
  const rest = bytes.subarray(offset, nextFrame(bytes, offset))
  const message = 'a frame begins with cd ab'
  return {
    offset,
    size: rest.length,
    type: undefined,
    title: 'no frame',
    fields: [{ offset, name: 'surplus', bytes: rest, meaning: 'belongs to no frame' }],
    faults: [{ offset, code: 'BAD_MAGIC', message }],
  }
}

function explainFrame(bytes: Buffer, offset: number, keys: SessionKeys | undefined): Piece {
  const frame = bytes.subarray(offset, endOfFrame(bytes, offset))
  const faults: Fault[] = []
  const fault = (at: number, code: ErrorCode, message: string) => faults.push({ offset: offset + at, code, message })
  checkFrame(frame, fault)

  const fields = headerFields(frame)
  const type = frame[3]
  const complete = frame.length >= HEADER_SIZE && frame.length === HEADER_SIZE + frame.readUInt16LE(8)
  let opened: Piece['opened']
  if (complete && type) {
    const forms = plainForms(type)
    if (forms) fields.push(...plainFields(frame, forms, fault))
    else {
      fields.push(...sealedFields(frame, fault))
      if (keys && faults.length === 0) opened = openFrame(frame, keys, fault)
    }
  } else if (frame.length > HEADER_SIZE) {
    fields.push(field(frame, HEADER_SIZE, frame.length, 'payload', 'not complete'))
  }
  return {
    offset,
    size: frame.length,
    type,
    title: type === undefined ? 'the beginning of a frame' : describeType(type),
    fields: fields.map((item) => ({ ...item, offset: offset + item.offset })),
    faults,
    ...(opened ? { opened } : {}),
  }
}

/** By its length field, as far as there are bytes. A length that cannot be has nothing to go by but the next magic. */
function endOfFrame(bytes: Buffer, offset: number): number {
  if (bytes.length - offset < LENGTH_END) return bytes.length
  const length = bytes.readUInt16LE(offset + 8)
  if (length > MAX_PAYLOAD) return nextFrame(bytes, offset)
  return Math.min(bytes.length, offset + HEADER_SIZE + length)
}

type FaultReporter = (at: number, code: ErrorCode, message: string) => void

const faultOffsets: Partial<Record<ErrorCode, number>> = { BAD_VERSION: 2, BAD_TYPE: 3, BAD_LENGTH: 8, BAD_CRC: 10 }

/** The verdict of the decoder that the sessions use. */
function checkFrame(frame: Uint8Array, fault: FaultReporter): void {
  try {
    decodeFrame(frame, VERSIONS)
  } catch (error) {
    const { code, message } = error as UsmpError
    fault(faultOffsets[code] ?? frame.length, code, message)
  }
}

function headerFields(frame: Buffer): Field[] {
  const layout: readonly Part[] = [
    { name: 'magic', size: 2, meaning: 'USMP' },
    { name: 'version', size: 1, meaning: ([version]) => describeVersion(version!) },
    { name: 'type', size: 1, meaning: ([type]) => packetTypeName(type!) },
    { name: 'seq', size: 4, meaning: (seq) => `number ${Buffer.from(seq).readUInt32LE()}` },
    { name: 'length', size: 2, meaning: (length) => `${Buffer.from(length).readUInt16LE()} bytes of payload` },
    { name: 'crc', size: 2, meaning: (crc) => describeCrc(frame, Buffer.from(crc).readUInt16LE()) },
  ]
  return fieldsOf(frame, 0, layout)
}

function describeVersion(version: number): string {
  if (version === 1) return 'wire version 1: old, its encryption is broken'
  return version === 2 ? 'wire version 2' : `wire version ${version} is not known`
}

function describeCrc(frame: Buffer, crc: number): string {
  if (frame.length !== HEADER_SIZE + frame.readUInt16LE(8)) return `${hex16(crc)}, cannot be checked`
  const actual = crc16(Buffer.concat([frame.subarray(0, LENGTH_END), frame.subarray(HEADER_SIZE)]))
  return actual === crc ? `${hex16(crc)}, correct` : `${hex16(crc)}, but the bytes give ${hex16(actual)}`
}

function hex16(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(4, '0')}`
}

function plainFields(frame: Buffer, forms: readonly (readonly Part[])[], fault: FaultReporter): Field[] {
  const size = frame.length - HEADER_SIZE
  const form = forms.find((parts) => sizeOf(parts) === size)
  if (form) return fieldsOf(frame, HEADER_SIZE, form)
  const expected = forms.map(sizeOf).join(' or ')
  fault(HEADER_SIZE, 'BAD_PAYLOAD', `${packetTypeName(frame[3]!)} has a payload of ${expected} bytes, not ${size}`)
  return size === 0 ? [] : [field(frame, HEADER_SIZE, frame.length, 'payload', 'not understood')]
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0)
}

function sealedFields(frame: Buffer, fault: FaultReporter): Field[] {
  const size = frame.length - HEADER_SIZE - NONCE_SIZE - TAG_SIZE
  if (size < 0) {
    const least = NONCE_SIZE + TAG_SIZE
    fault(HEADER_SIZE, 'BAD_PAYLOAD', `a sealed payload has at least ${least} bytes, not ${frame.length - HEADER_SIZE}`)
    return frame.length === HEADER_SIZE ? [] : [field(frame, HEADER_SIZE, frame.length, 'payload', 'not understood')]
  }
  const seq = frame.readUInt32LE(HEADER_SIZE)
  if (seq !== frame.readUInt32LE(4)) {
    fault(HEADER_SIZE, 'BAD_NONCE', `the nonce is that of number ${seq}, the header has ${frame.readUInt32LE(4)}`)
  }
  const session = toHex(frame.subarray(HEADER_SIZE + 4, HEADER_SIZE + NONCE_SIZE))
  return fieldsOf(frame, HEADER_SIZE, [
    { name: 'nonce', size: NONCE_SIZE, meaning: `number ${seq}, session ${session}…` },
    { name: 'ciphertext', size, meaning: `${size} bytes, encrypted` },
    { name: 'tag', size: TAG_SIZE, meaning: 'authenticates header and ciphertext' },
  ])
}

function openFrame(frame: Buffer, keys: SessionKeys, fault: FaultReporter): Piece['opened'] {
  const nonceSession = frame.subarray(HEADER_SIZE + 4, HEADER_SIZE + NONCE_SIZE)
  if (!nonceSession.equals(keys.sessionId.subarray(0, nonceSession.length))) {
    fault(HEADER_SIZE + 4, 'BAD_NONCE', 'the frame belongs to another session than the keys')
    return undefined
  }
  const opened = openSealed(frame, HEADER_SIZE, keys)
  if (!opened) {
    fault(HEADER_SIZE, 'DECRYPT_FAILED', 'none of the keys opens it: wrong keys or suite, or the frame was changed')
    return undefined
  }
  const expected = plaintextSize(frame[3]!)
  if (expected !== undefined && opened.plaintext.length !== expected) {
    const actual = `${opened.plaintext.length} bytes inside, and ${packetTypeName(frame[3]!)} has ${expected}`
    fault(HEADER_SIZE, 'BAD_PAYLOAD', actual)
  }
  return opened
}

/** The size of what is sealed, where the type says it. */
function plaintextSize(type: number): number | undefined {
  if (type === PacketType.REKEY) return payloadLayoutOf(type)?.sizes[0]
  return type === PacketType.PING || type === PacketType.PONG || type === PacketType.BYE ? 0 : undefined
}

/** The parts of a layout from `start` on, as far as there are bytes. */
function fieldsOf(frame: Buffer, start: number, parts: readonly Part[]): Field[] {
  const fields: Field[] = []
  let offset = start
  for (const { name, size, meaning } of parts) {
    if (size === 0) continue
    const bytes = frame.subarray(offset, offset + size)
    if (bytes.length === 0) break
    const complete = bytes.length === size
    const text = typeof meaning === 'function' && complete ? meaning(bytes) : meaning
    fields.push({ offset, name, bytes, meaning: complete ? (text as string) : 'not complete' })
    offset += size
  }
  return fields
}

function field(frame: Buffer, start: number, end: number, name: string, meaning: string): Field {
  return { offset: start, name, bytes: frame.subarray(start, end), meaning }
}
