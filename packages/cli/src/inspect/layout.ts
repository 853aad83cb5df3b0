import { formatDeviceId, PacketType, packetTypeName } from '@usmp/core'

/** A piece of a payload. */
export interface Part {
  readonly name: string
  readonly size: number
  readonly meaning: string | ((bytes: Uint8Array) => string)
}

interface Packet {
  readonly meaning: string
  /** Plain payloads: the forms it may have, told apart by their size. Sealed payloads have none. */
  readonly forms?: readonly (readonly Part[])[]
}

const deviceId: Part = { name: 'device_id', size: 6, meaning: formatDeviceId }
const cookie: Part = { name: 'cookie', size: 16, meaning: 'proves that the client gets what is sent to it' }
const clientKey: Part = { name: 'public_key', size: 32, meaning: 'X25519 key of the client, for this session' }

const ERROR_NAMES = ['VERSION', 'AUTH', 'SEQ', 'CRYPTO', 'BAD_FRAME', 'TIMEOUT', 'INTERNAL']

/** Packet types and plain payloads (specification, sections 2 and 3). */
const packets: Readonly<Record<number, Packet>> = {
  [PacketType.HELLO]: {
    meaning: 'a device asks to be let in',
    forms: [
      [deviceId, clientKey],
      [deviceId, clientKey, cookie],
    ],
  },
  [PacketType.CHALLENGE]: {
    meaning: 'the server asks for a proof of the key',
    forms: [
      [
        { name: 'nonce', size: 32, meaning: 'random, for this handshake' },
        { name: 'public_key', size: 32, meaning: 'X25519 key of the server, for this session' },
      ],
    ],
  },
  [PacketType.HELLO_ACK]: {
    meaning: 'the device proves that it knows its key',
    forms: [[{ name: 'mac', size: 32, meaning: 'proof by the pre-shared key' }]],
  },
  [PacketType.SESSION_OK]: {
    meaning: 'the server proves that it knows the key; the session begins',
    forms: [
      [
        { name: 'session_id', size: 16, meaning: 'random, public' },
        { name: 'mac', size: 32, meaning: 'proof by the pre-shared key' },
      ],
    ],
  },
  [PacketType.DATA]: { meaning: 'a message, or the last part of one' },
  [PacketType.PING]: { meaning: 'asks for a PONG' },
  [PacketType.PONG]: { meaning: 'answers a PING' },
  [PacketType.BYE]: { meaning: 'ends the session' },
  [PacketType.DATA_FRAG]: { meaning: 'a part of a message, more follows' },
  [PacketType.HELLO_RETRY]: { meaning: 'asks the client to repeat HELLO with a cookie', forms: [[cookie]] },
  [PacketType.REKEY]: { meaning: 'changes the keys of the session' },
  [PacketType.ERROR]: {
    meaning: 'a hint to a person; proves nothing',
    forms: [
      [
        { name: 'code', size: 1, meaning: ([code]) => ERROR_NAMES[code! - 1] ?? 'not assigned' },
        { name: 'detail', size: 2, meaning: '' },
      ],
    ],
  },
}

/** The name of a packet type and what it is for. */
export function describeType(type: number): string {
  if (type === 0) return '0x00 does not exist'
  return `${packetTypeName(type)}, ${packets[type]?.meaning ?? 'free for extensions'}`
}

/** The forms of a plain payload; undefined for a sealed one. */
export function plainForms(type: number): readonly (readonly Part[])[] | undefined {
  return packets[type]?.forms
}
