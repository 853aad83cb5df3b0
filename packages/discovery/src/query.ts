import { equalBytes, fromHex, toHex, UsmpError } from '@usmp/core'
import { type Carrier, carrierKinds, type Facts, faultOf, MAX_NAME, type Role } from './facts.js'

// The two datagrams of the UDP query (specification, sections 14.2 and 14.3). Pure: bytes in, bytes out.

/** The UDP port of queries, where nothing else is configured. */
export const QUERY_PORT = 9001
/** The IPv4 group that responders join; broadcasts reach them too. */
export const QUERY_GROUP = '239.255.85.77'
/** Of each query, bytes: no answer is longer. */
export const QUERY_SIZE = 128
export const NONCE_SIZE = 8
/** Of the longest answer, bytes. */
export const MAX_ANSWER = 107
/** Of the shortest answer, bytes: no carrier, no site, no path, no id. */
const MIN_ANSWER = 22

const VERSION = 1
const QUERY_MAGIC = asciiBytes('USMPQ')
const ANSWER_MAGIC = asciiBytes('USMPA')
const NONCE_AT = 6
const ROLES_AT = NONCE_AT + NONCE_SIZE
const JOIN_OPEN = 0x01
const DEVICE_ID_SIZE = 6
/** In the order of their numbers on the wire, 1 and 2. In a query, they are bits 0 and 1. */
const roles: readonly Role[] = ['gateway', 'device']

/** A question to everybody: who is there? */
export interface Query {
  /** 8 random bytes that the answers must repeat. */
  readonly nonce: Uint8Array
  /** Who is to answer, at least one. */
  readonly roles: readonly Role[]
}

/** What one peer answers. */
export interface Answer extends Facts {
  /** That of the query. */
  readonly nonce: Uint8Array
}

/**
 * The 128 bytes of a query.
 * @throws UsmpError INVALID_ARGUMENT: a nonce of another length, no role
 */
export function encodeQuery({ nonce, roles: wanted }: Query): Uint8Array {
  const bits = roles.reduce((sum, role, bit) => (wanted.includes(role) ? sum | (1 << bit) : sum), 0)
  if (nonce.length !== NONCE_SIZE) throw new UsmpError('INVALID_ARGUMENT', `a nonce has ${NONCE_SIZE} bytes`)
  if (bits === 0) throw new UsmpError('INVALID_ARGUMENT', 'a query wants gateways, devices or both')
  const bytes = new Uint8Array(QUERY_SIZE)
  bytes.set(QUERY_MAGIC)
  bytes[QUERY_MAGIC.length] = VERSION
  bytes.set(nonce, NONCE_AT)
  bytes[ROLES_AT] = bits
  return bytes
}

/** What a query asks; undefined if the bytes are none. The result has a copy of the nonce. */
export function decodeQuery(bytes: Uint8Array): Query | undefined {
  if (bytes.length !== QUERY_SIZE || !startsWith(bytes, QUERY_MAGIC)) return undefined
  const bits = bytes[ROLES_AT]!
  if (bits === 0 || bits > 0x03) return undefined
  if (bytes.subarray(ROLES_AT + 1).some((byte) => byte !== 0)) return undefined
  return { nonce: nonceOf(bytes), roles: roles.filter((_, bit) => bits & (1 << bit)) }
}

/**
 * The bytes of an answer, at most {@link MAX_ANSWER}.
 * @throws UsmpError INVALID_ARGUMENT: the facts break a rule of section 14.1
 */
export function encodeAnswer({ nonce, ...facts }: Answer): Uint8Array {
  const fault = nonce.length === NONCE_SIZE ? faultOf(facts) : `a nonce has ${NONCE_SIZE} bytes`
  if (fault !== undefined) throw new UsmpError('INVALID_ARGUMENT', fault)
  const { role, joinOpen, instance, carriers, site, path, deviceId = '' } = facts
  return Uint8Array.of(
    ...ANSWER_MAGIC,
    VERSION,
    ...nonce,
    roles.indexOf(role) + 1,
    joinOpen ? JOIN_OPEN : 0,
    ...fromHex(instance),
    carriers.length,
    ...carriers.flatMap(({ kind, port }) => [carrierKinds.indexOf(kind) + 1, port & 0xff, port >> 8]),
    ...withLength(asciiBytes(site)),
    ...withLength(asciiBytes(path)),
    ...withLength(fromHex(deviceId)),
  )
}

/** What an answer says; undefined if the bytes are none, or break one rule of section 14.3. The result shares no memory with them. */
export function decodeAnswer(bytes: Uint8Array): Answer | undefined {
  if (bytes.length < MIN_ANSWER || bytes.length > MAX_ANSWER || !startsWith(bytes, ANSWER_MAGIC)) return undefined
  const rest = new Reader(bytes, ROLES_AT)
  const role = roles[rest.byte() - 1]
  const flags = rest.byte()
  const instance = toHex(rest.bytes(2))
  const carriers = readCarriers(rest)
  const site = asciiText(rest.withLength(MAX_NAME))
  const path = asciiText(rest.withLength(MAX_NAME))
  const id = rest.withLength(DEVICE_ID_SIZE)
  if (!rest.isDone || role === undefined || carriers === undefined || flags > JOIN_OPEN) return undefined
  if (id.length !== 0 && id.length !== DEVICE_ID_SIZE) return undefined
  const facts: Facts = {
    role,
    instance,
    joinOpen: flags === JOIN_OPEN,
    carriers,
    site,
    path,
    ...(id.length > 0 ? { deviceId: toHex(id) } : {}),
  }
  return faultOf(facts) === undefined ? { nonce: nonceOf(bytes), ...facts } : undefined
}

function readCarriers(rest: Reader): Carrier[] | undefined {
  const count = rest.byte()
  if (count > carrierKinds.length) return undefined
  const carriers: Carrier[] = []
  for (let i = 0; i < count; i++) {
    const kind = carrierKinds[rest.byte() - 1]
    const port = rest.byte() | (rest.byte() << 8)
    if (kind === undefined) return undefined
    carriers.push({ kind, port })
  }
  return carriers
}

/** Reads on from a place. Reading beyond the end gives zeros, and the reader is never done then. */
class Reader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  bytes(length: number): Uint8Array {
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  /** A length of at most `max`, and so many bytes. */
  withLength(max: number): Uint8Array {
    const length = this.byte()
    if (length > max) this.#at = Number.POSITIVE_INFINITY
    return length > max ? new Uint8Array(0) : this.bytes(length)
  }

  /** Everything was read, and nothing beyond. */
  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }
}

function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return equalBytes(bytes.subarray(0, magic.length), magic) && bytes[magic.length] === VERSION
}

function nonceOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes.subarray(NONCE_AT, ROLES_AT))
}

function withLength(bytes: Uint8Array): number[] {
  return [bytes.length, ...bytes]
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

function asciiText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
