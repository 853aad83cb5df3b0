// What a peer and the relay say to each other before a circuit stands (specification, chapter 12). The server takes this file and `ws`,
// and nothing of the core: it must be able to read no more than this.

/** The subprotocol of the WebSocket. */
export const SUBPROTOCOL = 'usmp-relay.1'
export const ROUTE_SIZE = 16
/** Of a JOIN, bytes. */
export const MAX_TOKEN = 64
/** What the relay passes on: one message of 1 to this many bytes, as long as the longest frame. */
export const MAX_RELAYED = 492
/** A peer has so long to say JOIN, ms. */
export const JOIN_TIMEOUT = 2_000

const MAGIC = [0x55, 0x52, 0x01] as const
const HEAD = MAGIC.length + 1 + ROUTE_SIZE + 1
const SIDE = 0x01
const PAIRING = 0x02
/** Of a JOIN, bytes. */
export const MAX_JOIN = HEAD + MAX_TOKEN

/** Single bytes from the relay: another peer is awaited; it is here, and all that follows is passed on untouched. */
export const RelayMessage = { WAITING: 0x01, PEER: 0x02 } as const

/** Why the relay closes a WebSocket; its reason text says more. */
export const CloseCode = {
  /** A text message, or one without a byte. */
  NOT_BINARY: 1003,
  /** No JOIN in time, or a message before PEER. */
  NO_JOIN: 1008,
  TOO_LONG: 1009,
  RESTART: 1012,
  /** A newer socket has this side of the route, or, at a pairing, another guest was first. */
  TAKEN: 4001,
  TOKEN: 4003,
  LIMIT: 4004,
  WAITED_TOO_LONG: 4008,
  PEER_GONE: 4009,
  TOO_SLOW: 4010,
} as const
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** The two sides of a route: the relay never joins equal ones. */
export type Side = 0 | 1

/** The first message of a peer. */
export interface Join {
  /** 16 bytes that only the two peers know. */
  readonly route: Uint8Array
  readonly side: Side
  /** The route is that of a pairing code: one guest, and ten minutes. */
  readonly pairing: boolean
  /** 0 to 64 bytes; see `tokens` of the server. */
  readonly token: Uint8Array
}

export function encodeJoin({ route, side, pairing, token }: Join): Uint8Array {
  if (route.length !== ROUTE_SIZE) throw new RangeError(`a route has ${ROUTE_SIZE} bytes`)
  if (token.length > MAX_TOKEN) throw new RangeError(`a token has at most ${MAX_TOKEN} bytes`)
  return Uint8Array.of(...MAGIC, side | (pairing ? PAIRING : 0), ...route, token.length, ...token)
}

/** What a JOIN says; undefined if the bytes are none. The result has copies of the bytes. */
export function decodeJoin(message: Uint8Array): Join | undefined {
  const flags = message[MAGIC.length]
  if (message.length < HEAD || flags === undefined || flags & ~(SIDE | PAIRING)) return undefined
  if (MAGIC.some((byte, index) => message[index] !== byte)) return undefined
  if (message[HEAD - 1]! > MAX_TOKEN || message.length !== HEAD + message[HEAD - 1]!) return undefined
  return {
    route: message.slice(MAGIC.length + 1, HEAD - 1),
    side: (flags & SIDE) as Side,
    pairing: (flags & PAIRING) !== 0,
    token: message.slice(HEAD),
  }
}
