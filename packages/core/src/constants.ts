/** Wire version spoken today (specification, section 1). */
export const WIRE_VERSION = 0x02
/** Wire version of old firmware; broken as encryption, only for reaching and upgrading a fleet (specification, section 9). */
export const WIRE_VERSION_1 = 0x01

/** The wire versions a profile exists for. */
export type WireVersion = 1 | 2

/** The two magic bytes in the order of the wire. */
export const MAGIC_BYTE_0 = 0xcd
export const MAGIC_BYTE_1 = 0xab

/** Bytes of a frame header. */
export const HEADER_SIZE = 12
/** Bytes of the header that the CRC and the AEAD cover: everything before the CRC field. */
export const AUTHENTICATED_HEADER_SIZE = 10
/** Largest payload of a frame, bytes. */
export const MAX_PAYLOAD = 480
/** Largest frame, bytes. */
export const MAX_FRAME = HEADER_SIZE + MAX_PAYLOAD

/** Bytes of the nonce that a sealed payload starts with. */
export const NONCE_SIZE = 12
/** Bytes of the authentication tag that a sealed payload ends with. */
export const TAG_SIZE = 16
/** What sealing adds to a plaintext, bytes. */
export const SEAL_OVERHEAD = NONCE_SIZE + TAG_SIZE
/** Largest plaintext of one frame, bytes. */
export const MAX_PLAINTEXT = MAX_PAYLOAD - SEAL_OVERHEAD
/** Most frames one message may take. */
export const MAX_FRAGMENTS = 4
/** Largest message, bytes. */
export const MAX_MESSAGE = MAX_PLAINTEXT * MAX_FRAGMENTS

export const DEVICE_ID_SIZE = 6
export const PUBLIC_KEY_SIZE = 32
export const HANDSHAKE_NONCE_SIZE = 32
export const SESSION_ID_SIZE = 16
export const MAC_SIZE = 32
export const COOKIE_SIZE = 16
export const KEY_SIZE = 32
export const REKEY_SALT_SIZE = 32
/** Shortest pre-shared key, bytes. */
export const MIN_PSK_SIZE = 16

/** The sequence number that is never sent (specification, section 4). */
export const SEQ_LIMIT = 0xffffffff
/** Width of the replay window on datagram transports, in sequence numbers. */
export const REPLAY_WINDOW = 64
/** Most PINGs, and most PONGs, that an end sends in any second (specification, section 4.7). */
export const MAX_PINGS_PER_SECOND = 4
export const MAX_PONGS_PER_SECOND = 8

/** Packet types (specification, section 2). 0x0C–0xFE are free for extensions. */
export const PacketType = {
  HELLO: 0x01,
  CHALLENGE: 0x02,
  HELLO_ACK: 0x03,
  SESSION_OK: 0x04,
  DATA: 0x05,
  PING: 0x06,
  PONG: 0x07,
  BYE: 0x08,
  DATA_FRAG: 0x09,
  HELLO_RETRY: 0x0a,
  REKEY: 0x0b,
  ERROR: 0xff,
} as const

/** First and last packet type an application may register as an extension. */
export const EXTENSION_FIRST = 0x0c
export const EXTENSION_LAST = 0xfe

/** AEAD of the sealed frames; configured at both ends, not negotiated (specification, section 4). */
export const CipherSuite = {
  AES_256_GCM: 1,
  CHACHA20_POLY1305: 2,
} as const
export type CipherSuite = (typeof CipherSuite)[keyof typeof CipherSuite]

/** The name of a packet type, or its number in hex where it has none. */
export function packetTypeName(type: number): string {
  for (const [name, value] of Object.entries(PacketType)) if (value === type) return name
  return `0x${type.toString(16).padStart(2, '0').toUpperCase()}`
}
