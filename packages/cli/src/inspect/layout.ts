import { formatDeviceId, PacketType, packetTypeName } from '@usmp/core'
import { payloadLayoutOf, wireCodeName } from '@usmp/core/payload-layout'

type Meaning = string | ((bytes: Uint8Array) => string)

/** A part of a payload. */
export interface Part {
  readonly name: string
  readonly size: number
  readonly meaning: Meaning
}

interface Packet {
  readonly meaning: string
  /** Plain payloads: what each field means. Sealed payloads have none. */
  readonly fields?: Readonly<Record<string, Meaning>>
}

/** Packet types and the fields of plain payloads (specification, sections 2 and 3). */
const packets: Readonly<Record<number, Packet>> = {
  [PacketType.HELLO]: {
    meaning: 'a device asks to be let in',
    fields: {
      deviceId: formatDeviceId,
      publicKey: 'X25519 key of the client, for this session',
      cookie: 'proves that the client gets what is sent to it',
    },
  },
  [PacketType.CHALLENGE]: {
    meaning: 'the server asks for a proof of the key',
    fields: { nonce: 'random, for this handshake', publicKey: 'X25519 key of the server, for this session' },
  },
  [PacketType.HELLO_ACK]: {
    meaning: 'the device proves that it knows its key',
    fields: { mac: 'proof by the pre-shared key' },
  },
  [PacketType.SESSION_OK]: {
    meaning: 'the server proves that it knows the key; the session begins',
    fields: { sessionId: 'random, public', mac: 'proof by the pre-shared key' },
  },
  [PacketType.DATA]: { meaning: 'a message, or the last part of one' },
  [PacketType.PING]: { meaning: 'asks for a PONG' },
  [PacketType.PONG]: { meaning: 'answers a PING' },
  [PacketType.BYE]: { meaning: 'ends the session' },
  [PacketType.DATA_FRAG]: { meaning: 'a part of a message, more follows' },
  [PacketType.HELLO_RETRY]: {
    meaning: 'asks the client to repeat HELLO with a cookie',
    fields: { cookie: 'proves that the client gets what is sent to it' },
  },
  [PacketType.REKEY]: { meaning: 'changes the keys of the session' },
  [PacketType.ERROR]: {
    meaning: 'a hint to a person; proves nothing',
    fields: { code: ([code]) => wireCodeName(code!) ?? 'not assigned', detail: '' },
  },
}

/** The name of a packet type and what it is for. */
export function describeType(type: number): string {
  if (type === 0) return '0x00 does not exist'
  return `${packetTypeName(type)}, ${packets[type]?.meaning ?? 'free for extensions'}`
}

/** The forms of a plain payload, which its size tells apart; undefined for a sealed one. */
export function plainForms(type: number): readonly (readonly Part[])[] | undefined {
  const meanings = packets[type]?.fields
  const layout = meanings && payloadLayoutOf(type)
  return layout?.sizes.map((length) =>
    layout.fields
      .filter(({ offset }) => offset < length)
      .map(({ name, size }) => ({ name: snakeCase(name), size, meaning: meanings?.[name] ?? '' })),
  )
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
