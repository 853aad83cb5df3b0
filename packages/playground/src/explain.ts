import { asUsmpError, crc16, decodeFrame, formatDeviceId, PacketType, packetTypeName, type UsmpError } from '@usmp/core'
import { wireVersion2 } from '@usmp/core/internal'
import { payloadLayoutOf } from '@usmp/core/payload-layout'

/** A run of bytes that means something. */
export interface Field {
  readonly offset: number
  readonly length: number
  readonly name: string
  readonly meaning: string
  /** Its colour. */
  readonly tint: number
}

export interface Explanation {
  readonly fields: readonly Field[]
  /** What a receiver says about the frame before it looks at any key. */
  readonly fault: UsmpError | undefined
}

const HEADER = 12
const isSealed = (type: number) => type in wireVersion2.sessionTypes

/** What a frame says about itself, as far as it goes; faults are named, not hidden. */
export function explain(bytes: Uint8Array): Explanation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const u16 = (offset: number) => (bytes.length >= offset + 2 ? view.getUint16(offset, true) : undefined)
  const type = bytes[3] ?? 0
  const length = u16(8) ?? 0
  const fields: Field[] = []
  let offset = 0
  const add = (name: string, size: number, meaning: (part: Uint8Array) => string) => {
    const part = bytes.subarray(offset, offset + size)
    if (part.length === 0) return
    const cut = part.length < size ? ` (${size - part.length} bytes are missing)` : ''
    fields.push({ offset, length: part.length, name, meaning: meaning(part) + cut, tint: fields.length % 10 })
    offset += part.length
  }
  add('magic', 2, () => 'CD AB: every frame begins so')
  add('version', 1, ([version]) => `wire version ${version}`)
  add('type', 1, () => packetTypeName(type))
  add('seq', 4, (part) => `number ${u32(part)}${isSealed(type) ? ' in this direction, never used twice' : ''}`)
  add('length', 2, () => `${length} bytes of payload follow the header`)
  add('CRC', 2, () => checksum(bytes, length))
  for (const [name, size, meaning] of payloadFields(type, length, bytes)) add(name, size, meaning)
  add('surplus', bytes.length - offset, () => 'bytes behind the frame: a message carries exactly one')
  return { fields, fault: faultOf(bytes) }
}

type Meaning = (part: Uint8Array) => string

const ephemeralKey: Meaning = () => 'X25519, made for this session only'
const proof = (identifier: string): Meaning => {
  return () => `HMAC-SHA256 under the pre-shared key, over nonce, ${identifier} and both public keys`
}

/** What the fields of a plain payload mean. */
const MEANINGS: Readonly<Record<number, Readonly<Record<string, Meaning>>>> = {
  [PacketType.HELLO]: {
    deviceId: (part) => (part.length === 6 ? formatDeviceId(part) : 'cut short'),
    publicKey: ephemeralKey,
    cookie: () => 'given back to a server that asked for it',
  },
  [PacketType.CHALLENGE]: {
    nonce: () => 'random: what is proven now was not proven before',
    publicKey: ephemeralKey,
  },
  [PacketType.HELLO_ACK]: { mac: proof('device id') },
  [PacketType.SESSION_OK]: {
    sessionId: () => 'random, part of every nonce from here on',
    mac: proof('session id'),
  },
  [PacketType.HELLO_RETRY]: { cookie: () => 'to be sent back: shows that the address is real' },
  [PacketType.ERROR]: {
    code: ([code]) => `error ${code}, unproven`,
    detail: () => 'more about it',
  },
}

type PayloadField = readonly [name: string, size: number, meaning: Meaning]

function payloadFields(type: number, length: number, bytes: Uint8Array): PayloadField[] {
  const size = Math.min(length, bytes.length - HEADER)
  if (isSealed(type) && size >= 28) {
    return [
      ['nonce', 12, (part) => `number ${u32(part)} and half the session id; the receiver checks it`],
      ['ciphertext', size - 28, () => `${size - 28} bytes that only the two ends can read`],
      ['tag', 16, () => 'proves every bit of header, nonce and ciphertext'],
    ]
  }
  const meanings = MEANINGS[type]
  const layout = meanings && payloadLayoutOf(type)
  if (!layout) return [['payload', Math.max(0, size), () => 'of a type that this page does not know']]
  return layout.fields
    .filter(({ offset }) => offset < Math.max(size, layout.sizes[0]!))
    .map((field) => [inWords(field.name), field.size, meanings[field.name] ?? (() => '')])
}

/** `deviceId` as `device id`. */
function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function u32(part: Uint8Array): string {
  return part.length < 4 ? 'unknown' : String(new DataView(part.buffer, part.byteOffset).getUint32(0, true))
}

function checksum(bytes: Uint8Array, length: number): string {
  if (bytes.length < HEADER + length) return 'checksum of header and payload'
  const computed = crc16(bytes.subarray(HEADER, HEADER + length), crc16(bytes.subarray(0, 10)))
  const right = computed === new DataView(bytes.buffer, bytes.byteOffset).getUint16(10, true)
  return right ? 'checksum of header and payload, and it is right' : `checksum: it should be ${hex16(computed)}`
}

function hex16(value: number): string {
  return [value & 0xff, value >> 8].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

function faultOf(bytes: Uint8Array): UsmpError | undefined {
  try {
    decodeFrame(bytes)
    return undefined
  } catch (error) {
    return asUsmpError(error, 'INVALID_ARGUMENT')
  }
}
