// Made by scripts/constants.mjs from docs/spec/constants.json: begin.

/** Wire version that is spoken today (specification, section 1.1). */
export const WIRE_VERSION = 0x02
/** Wire version of old firmware: broken as encryption, only for reaching and upgrading a fleet (specification, section 9). */
export const WIRE_VERSION_1 = 0x01
/** First magic byte on the wire (specification, section 1.1). */
export const MAGIC_BYTE_0 = 0xcd
/** Second magic byte on the wire (specification, section 1.1). */
export const MAGIC_BYTE_1 = 0xab
/** Frame header, bytes (specification, section 1.1). */
export const HEADER_SIZE = 12
/** Part of the header that CRC and AEAD cover: everything before the CRC field, bytes (specification, section 1.1). */
export const AUTHENTICATED_HEADER_SIZE = 10
/** Largest payload of a frame, bytes (specification, section 1.1). */
export const MAX_PAYLOAD = 480
/** Largest frame, bytes (specification, section 1.1). */
export const MAX_FRAME = HEADER_SIZE + MAX_PAYLOAD

/** Types 0x0C–0xFE are free for extensions. */
export const PacketType = {
  /** Client's first message (specification, section 3.2). */
  HELLO: 0x01,
  /** Server's answer (specification, section 3.4). */
  CHALLENGE: 0x02,
  /** Client's proof (specification, section 3.5). */
  HELLO_ACK: 0x03,
  /** Server's proof (specification, section 3.6). */
  SESSION_OK: 0x04,
  /** Message, or its last fragment; sealed (specification, section 4.6). */
  DATA: 0x05,
  /** Sealed, empty (specification, section 4.7). */
  PING: 0x06,
  /** Sealed, empty (specification, section 4.7). */
  PONG: 0x07,
  /** Sealed, empty (specification, section 4.10). */
  BYE: 0x08,
  /** Fragment with more to come; sealed (specification, section 4.6). */
  DATA_FRAG: 0x09,
  /** Cookie of a datagram server (specification, section 3.3). */
  HELLO_RETRY: 0x0a,
  /** Sealed salt (specification, section 5.1). */
  REKEY: 0x0b,
  /** Unauthenticated hint (specification, section 2.4). */
  ERROR: 0xff,
} as const

/** First packet type that an application may register (specification, section 4.12). */
export const EXTENSION_FIRST = 0x0c
/** Last packet type that an application may register (specification, section 4.12). */
export const EXTENSION_LAST = 0xfe

/** AEAD of the sealed frames; configured at both ends, not negotiated. */
export const CipherSuite = {
  /** AES-256-GCM (specification, section 4.14). */
  AES_256_GCM: 1,
  /** ChaCha20-Poly1305 (specification, section 4.14). */
  CHACHA20_POLY1305: 2,
} as const

/** Nonce at the start of a sealed payload, bytes (specification, section 4.1). */
export const NONCE_SIZE = 12
/** Authentication tag at the end of a sealed payload, bytes (specification, section 4.1). */
export const TAG_SIZE = 16
/** What sealing adds to a plaintext, bytes (specification, section 4.1). */
export const SEAL_OVERHEAD = NONCE_SIZE + TAG_SIZE
/** Largest plaintext of one frame, bytes (specification, section 4.1). */
export const MAX_PLAINTEXT = MAX_PAYLOAD - SEAL_OVERHEAD
/** Most frames of one message (specification, section 4.6). */
export const MAX_FRAGMENTS = 4
/** Largest message, bytes (specification, section 4.6). */
export const MAX_MESSAGE = MAX_PLAINTEXT * MAX_FRAGMENTS
/** Sequence number that is never sent (specification, section 4.13). */
export const SEQ_LIMIT = 0xffffffff
/** Replay window on datagrams, in sequence numbers (specification, section 4.5). */
export const REPLAY_WINDOW = 64

/** Device id, bytes (specification, section 0.3). */
export const DEVICE_ID_SIZE = 6
/** Session key of either suite, bytes (specification, section 3.8). */
export const KEY_SIZE = 32
/** X25519 public key, bytes (specification, section 0.3). */
export const PUBLIC_KEY_SIZE = 32
/** Server's nonce in CHALLENGE, bytes (specification, section 0.3). */
export const HANDSHAKE_NONCE_SIZE = 32
/** Session id, bytes (specification, section 0.3). */
export const SESSION_ID_SIZE = 16
/** Handshake MAC, bytes (specification, section 3.7). */
export const MAC_SIZE = 32
/** Cookie of HELLO_RETRY, bytes (specification, section 7.2). */
export const COOKIE_SIZE = 16
/** Salt of a REKEY, bytes (specification, section 5.1). */
export const REKEY_SALT_SIZE = 32
/** Payload of ERROR, bytes (specification, section 2.4). */
export const ERROR_SIZE = 3
/** Shortest pre-shared key, bytes (specification, section 10.1). */
export const MIN_PSK_SIZE = 16

/** Acknowledgement without a MAC, bytes (specification, section 7.3). */
export const UTACK_SIZE = 7
/** MAC of an acknowledgement, bytes (specification, section 7.3). */
export const UTACK_MAC_SIZE = 8

/** Most PINGs that an end sends in any second (specification, section 4.7). */
export const MAX_PINGS_PER_SECOND = 4
/** Most PONGs that an end sends in any second (specification, section 4.7). */
export const MAX_PONGS_PER_SECOND = 8
/** Most PINGs of an end that wait for an answer (specification, section 4.7). */
export const MAX_PINGS_OPEN = 8
/** Flood budget: 512 points, as ms of refill, ms (specification, section 4.8). */
export const FLOOD_BUDGET = 64_000
/** What a PING or PONG that nothing asked for costs, ms (specification, section 4.8). */
export const FLOOD_COST_CONTROL = 125
/** What a REKEY costs, ms (specification, section 4.8). */
export const FLOOD_COST_REKEY = 1_000
/** Budget for own rekeys: 16 in a burst, ms (specification, section 5.2). */
export const REKEY_BUDGET = 64_000
/** What each own rekey costs, ms (specification, section 5.2). */
export const REKEY_COST = 4_000
/** Wrong proofs that end an attempt on datagrams and serial lines (specification, section 3.12). */
export const MAX_WRONG_PROOFS = 5
/** A datagram that is not acknowledged so long after its first sending is lost, ms (specification, section 7.5). */
export const MAX_RETRANSMIT_TIME = 30_000
/** The same for messages while the peer shows that it lives, ms (specification, section 7.5). */
export const MAX_RETRANSMIT_TIME_WHILE_ALIVE = 600_000
/** Longest close: what was accepted, then BYE, ms (specification, section 4.10). */
export const CLOSE_TIMEOUT = 5_000
/** The same for a session that was replaced or turned away, or when the server stops, ms (specification, section 4.10). */
export const SHORT_CLOSE_TIMEOUT = 1_000

/** Client: one step of the handshake, ms (specification, section 8.1). */
export const CLIENT_STEP_TIMEOUT = 5_000
/** Server: the whole handshake, ms (specification, section 8.1). */
export const SERVER_HANDSHAKE_TIMEOUT = 10_000
/** Client: silence before a PING, ms (specification, section 4.7). */
export const KEEPALIVE_TIME = 20_000
/** Both: time without an authentic frame after which a session ends, ms (specification, section 4.9). */
export const IDLE_TIMEOUT = 60_000

// Made by scripts/constants.mjs: end.

/** The wire versions a profile exists for. */
export type WireVersion = 1 | 2

export type CipherSuite = (typeof CipherSuite)[keyof typeof CipherSuite]

/** What the suites are called, as their RFCs write it. */
export const cipherSuiteNames: Readonly<Record<CipherSuite, string>> = {
  1: 'AES-256-GCM',
  2: 'ChaCha20-Poly1305',
}

/** The name of a packet type, or its number in hex where it has none. */
export function packetTypeName(type: number): string {
  for (const [name, value] of Object.entries(PacketType)) if (value === type) return name
  return `0x${type.toString(16).padStart(2, '0').toUpperCase()}`
}
